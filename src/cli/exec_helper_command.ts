import { CommandRunner } from "../agent/command_runner.ts";
import { rulesOfRoot } from "../agent/exec_helper.ts";
import { openExec } from "../agent/exec_socket.ts";
import { bunClock } from "../runtime/bun_clock.ts";
import { startExecProcess } from "../runtime/exec_process.ts";
import { requireOwn } from "../runtime/root_owned.ts";
import { stdioSocket } from "../runtime/stdio_socket.ts";
import type { ByteSocket } from "../transport/byte_socket.ts";
import { readAgentSettings } from "./agent_config.ts";
import { createLog } from "./log.ts";
import type { Options } from "./options.ts";
import type { Output } from "./output.ts";

/** Who asks, as the log of root's side calls it: the agent's own has more. */
const CALLER = { tunnelId: "-", operator: "migasfree-agent.service" };

/** How long a caller who has heard the end may take to hang up. */
const GOODBYE_TIMEOUT_MS = 60_000;

/**
 * `exec-helper`: runs one command of root's own list for whoever is connected
 * to standard input and output, as `migasfree-agent-exec@.service`.
 *
 * The frames are those of a remote command. A caller that goes away without
 * having said `cancel` does not end it: what is being installed may well be
 * the caller.
 */
export async function runExecHelper(
  options: Options,
  output: Output,
): Promise<number> {
  const { file, path } = await readAgentSettings(options);
  requireOwn(path);
  const log = createLog(file.log_format, output);
  const rules = rulesOfRoot({
    allow: file.exec.allow,
    timeoutMs: file.exec.timeout_ms,
    concurrentMax: 1,
  });
  await using runner = new CommandRunner(rules, {
    clock: bunClock,
    log,
    startCommand: startExecProcess,
  });
  await join(openExec(CALLER, runner, bunClock), stdioSocket());
  return 0;
}

/** Resolves when the command has ended and all of it has been told. */
async function join(exec: ByteSocket, caller: ByteSocket): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  let isAlone = false;
  exec.handle({
    data: (chunk) => {
      if (!isAlone && !caller.write(chunk)) exec.pause();
    },
    end: () => {
      if (!isAlone) caller.end();
      setTimeout(resolve, GOODBYE_TIMEOUT_MS).unref();
    },
    drain: () => undefined,
    closed: () => resolve(),
  });
  caller.handle({
    data: (chunk) => void exec.write(chunk),
    end: () => exec.end(),
    drain: () => exec.resume(),
    closed: (fault) => {
      isAlone = true;
      exec.resume();
      // It has heard no end, and waits for one before it closes.
      if (fault) exec.end();
    },
  });
  await promise;
}
