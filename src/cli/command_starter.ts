import type { CommandPorts } from "../agent/command_runner.ts";
import type { ExecRules } from "../agent/exec.ts";
import { isForRoot } from "../agent/exec_helper.ts";
import { startByHelper } from "../runtime/exec_helper.ts";
import { startExecProcess } from "../runtime/exec_process.ts";

/**
 * Returns how an agent runs what its rules allow: itself or, if there is a
 * `helper`, by having root run the entries that say every word. Then those are
 * never run without root: with the helper switched off they are refused.
 *
 * @param helper Path of the socket where root's side is started.
 */
export function commandStarter(
  rules: ExecRules,
  helper: string | undefined,
): CommandPorts["startCommand"] {
  return (argv, sink) =>
    helper !== undefined && isForRoot(argv, rules)
      ? startByHelper(helper, argv, sink)
      : startExecProcess(argv, sink);
}
