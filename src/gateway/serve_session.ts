import { plainText } from "../base/text.ts";
import { DEVICE_NAME_MAX_CHARS } from "../protocol/limits.ts";
import type { Admitted } from "./admit.ts";
import type { CloneWatch } from "./clone_watch.ts";
import type { DeviceSession } from "./device_session.ts";
import type { OpenLinks } from "./open_links.ts";
import type { GatewayPorts } from "./ports.ts";
import type { Registry } from "./registry.ts";

export interface ServeSessionPorts extends GatewayPorts {
  readonly registry: Registry;
  readonly openLinks: OpenLinks;
  readonly clones: CloneWatch;
  /** Told that a device has come online. */
  readonly attached: () => void;
}

/** Serves an agent that was welcomed until its link ends. Never rejects. */
export async function serveSession(
  session: DeviceSession,
  agent: Admitted,
  ports: ServeSessionPorts,
  signal: AbortSignal,
): Promise<void> {
  const { clock, log, registry } = ports;
  using _watched = ports.openLinks.add(agent.certificate, (fault) => {
    ports.audit.write({
      event: "link.revoked",
      subject: agent.principal.subject,
      address: agent.address,
      code: fault.code,
    });
    session.end(fault);
  });
  void saveServices(session, ports);
  const older = registry.find(session.deviceId);
  registry.attach(session);
  void ports.clones.attached(session, agent.address, older);
  ports.attached();
  const { deviceId: device, protocol } = session;
  const name = plainText(session.name, DEVICE_NAME_MAX_CHARS);
  const { address } = agent;
  log.info("agent.online", { device, name, address, protocol });
  const startMs = clock.now();
  const fault = await session.serve(signal);
  // What a newer link of the device has said is not to be overwritten.
  const isNewest = registry.detach(session) && fault.code !== "linkReplaced";
  if (isNewest) await saveServices(session, ports);
  ports.metrics.linkClosed("control", fault.code);
  const ms = Math.round(clock.now() - startMs);
  log.info("agent.offline", { device, ms, code: fault.code });
}

/** Never rejects: a link that stands is worth more than when it was seen. */
export async function saveServices(
  session: DeviceSession,
  ports: GatewayPorts,
): Promise<void> {
  const nowMs = ports.clock.wallNow();
  const { deviceId: device, services } = session;
  try {
    await ports.store.seen(device, nowMs, services.map(({ name }) => name));
  } catch (error) {
    ports.log.warn("device.unsaved", { device }, error);
  }
}
