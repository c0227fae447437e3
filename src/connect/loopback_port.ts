/** Ports that nobody may register (RFC 6335 §6). */
const DYNAMIC_PORT_MIN = 49_152;
const DYNAMIC_PORT_MAX = 65_535;

/**
 * Returns the local port that a device gets whenever it is free, so that what
 * a viewer remembers under host and port, a certificate for one, is found
 * again. Devices whose ids are close together never share one.
 *
 * Take any free port if this one is taken.
 */
export function stableLoopbackPort(deviceId: number): number {
  const count = DYNAMIC_PORT_MAX - DYNAMIC_PORT_MIN + 1;
  return DYNAMIC_PORT_MIN + deviceId % count;
}
