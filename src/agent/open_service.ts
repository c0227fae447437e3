import { Fault } from "../protocol/fault.ts";
import type { ByteSocket } from "../transport/byte_socket.ts";
import type { AgentPorts, ServiceCaller, ServiceTarget } from "./ports.ts";

/** What is to be opened, for whom and in what time. */
export interface ServiceRequest {
  readonly service: string;
  readonly target: ServiceTarget;
  readonly caller: ServiceCaller;
  readonly timeoutMs: number;
}

/**
 * Returns what the agent's table says of a service.
 *
 * @throws {Fault} `serviceUnknown`.
 */
export function findService(
  service: string,
  services: ReadonlyMap<string, ServiceTarget>,
): ServiceTarget {
  const target = services.get(service);
  if (target) return target;
  throw new Fault("serviceUnknown", `There is no service "${service}"`, {
    hint: "Add it to [services] of agent.toml",
  });
}

/**
 * Connects to a local service, or opens one of our own.
 *
 * @throws {Fault} Why it cannot be had, for the operator to read.
 * @throws `signal.reason` once aborted.
 */
export async function openService(
  { caller, service, target, timeoutMs }: ServiceRequest,
  ports: Pick<AgentPorts, "dialService">,
  signal: AbortSignal,
): Promise<ByteSocket> {
  if ("open" in target) return await target.open(caller);
  try {
    return await ports.dialService(target, timeoutMs, signal);
  } catch (error) {
    signal.throwIfAborted();
    throw serviceFault(service, error);
  }
}

/** What is local here is far away for the operator who reads it. */
function serviceFault(service: string, error: unknown): Fault {
  const { code, message, hint } = Fault.from(error);
  const far = `The device's ${service} service does not answer: ${message}`;
  return new Fault(code, far, { hint, cause: error });
}
