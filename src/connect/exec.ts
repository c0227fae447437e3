import {
  EXEC_SERVICE,
  type ExecExit,
  type ExecStart,
} from "../protocol/exec_message.ts";
import { Fault, type FaultCode } from "../protocol/fault.ts";
import { FAULT_HINTS } from "../protocol/fault_hint.ts";
import { CLOSE_TIMEOUT_MS } from "../protocol/limits.ts";
import {
  endedTooEarly,
  ExecClient,
  type ExecOutlet,
  type ExecResult,
} from "../transport/exec_client.ts";
import { runOperatorTunnel } from "./open_tunnel.ts";
import type { OperatorPorts } from "./ports.ts";
import { runV1Command } from "./v1_exec.ts";

/** How long a command that was cancelled may take to say how it ended. */
const CANCEL_TIMEOUT_MS = 5_000;

export interface ExecPorts extends OperatorPorts {
  readonly outlet: ExecOutlet;
}

/**
 * Runs one command on a device; its output goes to the outlet as it comes.
 *
 * @param cancelled Asks the device to end the command, and waits up to 5 s for
 * what it says of that.
 * @returns How the command ended.
 * @throws {Fault} Why it was not run, or how it was cut short.
 * @throws The reason of `cancelled` if the device does not answer in time.
 */
export async function runRemoteCommand(
  deviceId: number,
  start: ExecStart,
  ports: ExecPorts,
  cancelled: AbortSignal,
): Promise<ExecExit> {
  if (!ports.site.isOld) {
    try {
      return await runOverStream(deviceId, start, ports, cancelled);
    } catch (error) {
      if (!ports.site.isOld) throw error;
    }
  }
  return await runV1Command(deviceId, start, ports, cancelled);
}

async function runOverStream(
  deviceId: number,
  start: ExecStart,
  ports: ExecPorts,
  cancelled: AbortSignal,
): Promise<ExecExit> {
  const { clock, outlet } = ports;
  const client = new ExecClient(start, outlet);
  const stop = new AbortController();
  const stopAfter = (ms: number, reason: unknown) =>
    void clock.sleep(ms, stop.signal).then(
      () => stop.abort(reason),
      () => undefined, // It came to its end by itself.
    );
  const cancel = () => {
    if (client.cancel()) stopAfter(CANCEL_TIMEOUT_MS, cancelled.reason);
    else stop.abort(cancelled.reason);
  };
  cancelled.addEventListener("abort", cancel, { once: true });
  if (cancelled.aborted) cancel();
  void client.finished.then(() => stopAfter(CLOSE_TIMEOUT_MS, noGoodbye()));
  const target = { deviceId, service: EXEC_SERVICE };
  try {
    await runOperatorTunnel(target, client, ports, () => {}, stop.signal);
  } catch (error) {
    // With the result in hand, nobody cares how the tunnel came to its end.
    if (!client.result) throw withOwnHint(Fault.from(error));
  } finally {
    stop.abort();
    cancelled.removeEventListener("abort", cancel);
  }
  return exitOf(client.result);
}

/** @throws {Fault} What the device said instead of an exit status. */
function exitOf(result: ExecResult | undefined): ExecExit {
  if (!result) throw endedTooEarly();
  if (result.type === "exit") return result.exit;
  const { code, message } = result.error;
  throw new Fault(code, message, { hint: hintOf(code) });
}

function withOwnHint(fault: Fault): Fault {
  if (fault.code !== "serviceUnknown") return fault;
  const hint = hintOf(fault.code);
  return new Fault(fault.code, fault.message, { hint, cause: fault });
}

/** What can be done about a command may not be what helps a tunnel. */
function hintOf(code: FaultCode): string {
  switch (code) {
    case "serviceUnknown":
      return "Set [exec] allow in its agent.toml, or upgrade its agent";
    case "quotaExceeded":
      return "Wait, or raise [exec] concurrent_max in its agent.toml";
    case "programMissing":
      return "Install it there, or give its whole path in [exec] allow";
    default:
      return FAULT_HINTS[code];
  }
}

function noGoodbye(): Fault {
  return new Fault("linkLost", "The device did not say goodbye");
}
