import type { CommandRunner } from "../agent/command_runner.ts";
import type { AgentConfig } from "../agent/config.ts";
import type { ServiceTarget } from "../agent/ports.ts";
import { bunClock } from "../runtime/bun_clock.ts";

/**
 * Returns what an agent offers: the addresses of its configuration and, if
 * any command is allowed, the remote command.
 */
export async function serviceTable(
  { detachMs, exec, services }: AgentConfig,
  runner: CommandRunner,
): Promise<Map<string, ServiceTarget>> {
  const table = new Map<string, ServiceTarget>();
  for (const [name, address] of services) {
    table.set(name, { ...address, detachMs: detachMs.get(name) });
  }
  if (exec.allow.length > 0) {
    const { EXEC_SERVICE } = await import("../protocol/exec_message.ts");
    table.set(EXEC_SERVICE, {
      open: async (caller) => {
        const { openExec } = await import("../agent/exec_socket.ts");
        return openExec(caller, runner, bunClock);
      },
      detachMs: detachMs.get(EXEC_SERVICE),
    });
  }
  return table;
}
