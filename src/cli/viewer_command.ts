import {
  chooseProgram,
  type ProgramCommand,
} from "../connect/choose_program.ts";
import { customViewer } from "../connect/custom_viewer.ts";
import { type Device, findDevice } from "../connect/devices.ts";
import { listenForTunnels } from "../connect/listen.ts";
import { stableLoopbackPort } from "../connect/loopback_port.ts";
import { rdpCommands, vncCommands } from "../connect/viewer.ts";
import { Fault } from "../protocol/fault.ts";
import {
  printSocketAddress,
  type SocketAddress,
} from "../protocol/socket_address.ts";
import { findProgram, runProgram } from "../runtime/programs.ts";
import { listenTcp } from "../runtime/tcp_socket.ts";
import { asOperator, type Operator } from "./operator.ts";
import { type Options, textOption } from "./options.ts";
import { type Output, sayFault } from "./output.ts";
import { splitTarget } from "./ssh_command.ts";

type Screen = "vnc" | "rdp";

/** What a viewer is to look at. */
interface Sight {
  readonly screen: Screen;
  readonly device: Device;
  readonly user: string | undefined;
}

/** `vnc DEVICE`, `rdp [USER@]DEVICE`: ends with the viewer. */
export async function runViewer(
  screen: Screen,
  target: string,
  options: Options,
  output: Output,
): Promise<number> {
  const { user, device: name } = screen === "rdp"
    ? splitTarget(target)
    : { user: undefined, device: target };
  return await asOperator(options, output, async (operator) => {
    const viewer = textOption(options, "viewer");
    const device = await findDevice(name, operator.ports, operator.signal);
    const sight = { screen, device, user };
    // Before a port is opened: without a viewer there is nothing to do.
    chooseViewer(sight, { host: "127.0.0.1", port: 1 }, viewer, operator);
    return await look(sight, viewer, operator, output);
  });
}

async function look(
  sight: Sight,
  viewer: string | undefined,
  operator: Operator,
  output: Output,
): Promise<number> {
  const done = new AbortController();
  const either = AbortSignal.any([operator.signal, done.signal]);
  const bound = Promise.withResolvers<SocketAddress>();
  const listening = listenForTunnels(
    { deviceId: sight.device.id, service: sight.screen },
    { host: "127.0.0.1", port: stableLoopbackPort(sight.device.id) },
    {
      ...operator.ports,
      listen: listenSomewhere,
      failed: (fault) => sayFault(fault, output),
    },
    bound.resolve,
    either,
  ).catch(bound.reject);
  try {
    const address = await bound.promise;
    const command = chooseViewer(sight, address, viewer, operator);
    const { id, name } = sight.device;
    operator.say(
      `Looking at ${name} (CID-${id}) through ${printSocketAddress(address)}`,
    );
    const argv = [command.program, ...command.args];
    const { exitCode } = await runProgram(argv, operator.signal);
    if (command.mayDetach && exitCode === 0) {
      operator.say("The tunnel stays open; end it with Ctrl-C");
      await listening;
    }
    return exitCode;
  } finally {
    done.abort(new Fault("tunnelCancelled", "The viewer has ended"));
    await listening;
  }
}

function chooseViewer(
  { device, screen, user }: Sight,
  address: SocketAddress,
  viewer: string | undefined,
  operator: Operator,
): ProgramCommand {
  const gatewayHost = new URL(operator.config.gatewayUrl).hostname;
  const { id: deviceId, name: deviceName } = device;
  const choice = screen === "vnc"
    ? vncCommands(process.platform, address)
    : rdpCommands(process.platform, address, {
      user,
      deviceId,
      deviceName,
      gatewayHost,
    });
  if (viewer !== undefined) return customViewer(viewer, choice, address, user);
  return chooseProgram(choice, (name) => findProgram(name) !== undefined);
}

/** The device's own port, so that viewers know it again; else any free one. */
async function listenSomewhere(...args: Parameters<typeof listenTcp>) {
  const [address, onSocket] = args;
  try {
    return await listenTcp(address, onSocket);
  } catch {
    // Taken: by another viewer of the same device, most likely.
    return await listenTcp({ ...address, port: 0 }, onSocket);
  }
}
