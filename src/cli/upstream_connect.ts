import { findDevice } from "../connect/devices.ts";
import { splitCommand } from "../protocol/command_words.ts";
import { Fault } from "../protocol/fault.ts";
import { printSocketAddress } from "../protocol/socket_address.ts";
import { chooseDevice } from "./choose_device.ts";
import { portOption, withLocalPort } from "./local_port.ts";
import { asOperator } from "./operator.ts";
import { type Options, textOption } from "./options.ts";
import type { Output } from "./output.ts";

/** What can be asked of a device. */
export const CONNECTION_TYPES = ["ssh", "vnc", "rdp", "exec"] as const;

type ConnectionType = typeof CONNECTION_TYPES[number];

/** What the flags ask for, once they fit together. */
interface Wish {
  readonly type: ConnectionType;
  /** Whom to be there. */
  readonly user: string | undefined;
  /** 7, CID-7 or a name; undefined: a person chooses. */
  readonly device: string | undefined;
  /** For ssh. */
  readonly command: string | undefined;
  /** For exec, word by word. */
  readonly argv: readonly string[];
  readonly port: number | undefined;
}

/**
 * Does what `migasfree-connect [user] -t TYPE -a DEVICE …` asks for.
 *
 * @throws {Fault} `usageInvalid` if the flags contradict each other.
 */
export async function runUpstreamConnect(
  user: string | undefined,
  given: Options,
  output: Output,
): Promise<number> {
  const options = operatorOptions(given);
  if (given["list"] === true) {
    const { runDevices } = await import("./operator_command.ts");
    return await runDevices(options, output);
  }
  const wish = wishOf(user, given);
  const device = wish.device ??
    String((await chooseDevice(wish.type, options, output)).id);
  const target = user === undefined ? device : `${user}@${device}`;
  switch (wish.type) {
    case "ssh":
      return await logIn(wish, device, options, output);
    case "exec": {
      if (wish.port !== undefined) output.say("exec needs no port");
      const { runExec } = await import("./exec_command.ts");
      return await runExec(device, wish.argv, options, output);
    }
    case "vnc":
    case "rdp": {
      const { runViewer } = await import("./viewer_command.ts");
      const seen = wish.type === "rdp" ? target : device;
      return await runViewer(wish.type, seen, options, output);
    }
  }
}

/** ssh needs no port of ours, but other programs may want one beside it. */
async function logIn(
  { command, port, user }: Wish,
  device: string,
  options: Options,
  output: Output,
): Promise<number> {
  const { runSsh } = await import("./ssh_command.ts");
  const to = (name: string) => user === undefined ? name : `${user}@${name}`;
  // One text, as it was given: the shell over there takes it apart.
  const sshArgs = command === undefined ? [] : ["--", command];
  if (port === undefined) {
    return await runSsh(to(device), sshArgs, options, output);
  }
  return await asOperator(options, output, async (operator) => {
    const { id } = await findDevice(device, operator.ports, operator.signal);
    const target = { deviceId: id, service: "ssh" };
    const local = { port, isFixed: true };
    return await withLocalPort(
      target,
      local,
      operator,
      output,
      async (address) => {
        // Not on stdout: that is the remote command's.
        operator.say(`listening ${printSocketAddress(address)}`);
        return await runSsh(to(`CID-${id}`), sshArgs, options, output);
      },
    );
  });
}

function wishOf(user: string | undefined, given: Options): Wish {
  const command = textOption(given, "command");
  const exec = textOption(given, "exec");
  const type = (textOption(given, "type") ??
    (exec === undefined ? "ssh" : "exec")) as ConnectionType;
  if (command !== undefined && type !== "ssh") {
    throw contradiction("-c", "ssh", type);
  }
  if (exec !== undefined && type !== "exec") {
    throw contradiction("-e", "exec", type);
  }
  if (exec === undefined && type === "exec") {
    throw new Fault("usageInvalid", "Cannot tell which command to run", {
      hint: 'Give it by -e, as in -e "migasfree sync"',
    });
  }
  const device = textOption(given, "agent");
  const argv = exec === undefined ? [] : wordsOf(exec);
  return { argv, command, device, port: portOption(given), type, user };
}

function contradiction(flag: string, fits: string, type: string): Fault {
  return new Fault("usageInvalid", `Cannot use ${flag} with -t ${type}`, {
    hint: `Give -t ${fits}, or leave ${flag} out`,
  });
}

function wordsOf(exec: string): string[] {
  try {
    return splitCommand(exec);
  } catch (cause) {
    const { hint, message } = Fault.from(cause);
    throw new Fault("usageInvalid", `Cannot read -e: ${message}`, {
      hint,
      cause,
    });
  }
}

/** The same flags by the names that `migasfree-agent` has for them. */
function operatorOptions(given: Options): Options {
  const manager = textOption(given, "manager");
  if (manager === undefined) return given;
  // The gateway is at the manager's own address, by another path.
  const gateway = manager.replace(/^(https?:\/\/[^/?#]*).*$/i, "$1");
  return { ...given, gateway };
}
