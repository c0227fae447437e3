import type { Clock } from "../base/clock.ts";
import type { ByteSocket } from "../transport/byte_socket.ts";
import { serveExec } from "../transport/exec_server.ts";
import type { CommandRunner } from "./command_runner.ts";
import type { ServiceCaller } from "./ports.ts";

/**
 * Returns the service `exec` for one operator, as if it were a connection to
 * a local program, whose commands the agent's own rules admit.
 */
export function openExec(
  caller: ServiceCaller,
  runner: CommandRunner,
  clock: Clock,
): ByteSocket {
  return serveExec(
    ({ argv, timeout_ms: timeoutMs }, hearer) =>
      runner.run({ argv, timeoutMs }, caller, hearer),
    clock,
  );
}
