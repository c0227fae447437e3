import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { findDevice } from "../connect/devices.ts";
import { sshCommand } from "../connect/ssh_command.ts";
import { sshConfigStanza } from "../connect/ssh_config_stanza.ts";
import { Fault } from "../protocol/fault.ts";
import { runProgram } from "../runtime/programs.ts";
import { agentCommand } from "./called_name.ts";
import { asOperator, gatewayArgs, OPERATOR_DIR } from "./operator.ts";
import type { Options } from "./options.ts";
import type { Output } from "./output.ts";

/** `ssh [USER@]DEVICE [-- SSH-ARGS…]`: exits as the remote command does. */
export async function runSsh(
  target: string | undefined,
  sshArgs: readonly string[],
  options: Options,
  output: Output,
): Promise<number> {
  const { platform } = process;
  if (options["printConfig"]) {
    const args = gatewayArgs(options);
    const self = agentCommand();
    output.answer(
      sshConfigStanza({ selfCommand: self, gatewayArgs: args, platform })
        .trimEnd(),
    );
    return 0;
  }
  if (target === undefined) {
    throw new Fault("usageInvalid", "Cannot tell which device is meant", {
      hint: "Give 7, CID-7 or a device's name, or --print-config",
    });
  }
  const { user, device } = splitTarget(target);
  // Asked first, so that an offline device has its own sentence and status.
  const { deviceId, host } = await asOperator(
    options,
    output,
    async ({ config, ports, signal }) => ({
      deviceId: (await findDevice(device, ports, signal)).id,
      host: new URL(config.gatewayUrl).hostname,
    }),
  );
  const dir = join(OPERATOR_DIR, host);
  await mkdir(dir, { recursive: true, mode: 0o700 });
  const argv = sshCommand({
    user,
    deviceId,
    selfCommand: agentCommand(),
    gatewayArgs: gatewayArgs(options),
    knownHostsFile: join(dir, "known_hosts"),
    sshArgs,
    platform,
  });
  // Ctrl-C is for ssh and what runs in it, not for us.
  const { exitCode } = await runProgram(argv, new AbortController().signal);
  return exitCode;
}

/** Splits `user@device` at the last `@`. */
export function splitTarget(
  target: string,
): { user: string | undefined; device: string } {
  const at = target.lastIndexOf("@");
  if (at < 0) return { user: undefined, device: target };
  return { user: target.slice(0, at), device: target.slice(at + 1) };
}
