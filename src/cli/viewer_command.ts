import {
  chooseProgram,
  type ProgramCommand,
} from "../connect/choose_program.ts";
import { customViewer } from "../connect/custom_viewer.ts";
import { type Device, findDevice } from "../connect/devices.ts";
import { stableLoopbackPort } from "../connect/loopback_port.ts";
import { rdpCommands, vncCommands } from "../connect/viewer.ts";
import { Fault } from "../protocol/fault.ts";
import {
  printSocketAddress,
  type SocketAddress,
} from "../protocol/socket_address.ts";
import { findProgram, runProgram } from "../runtime/programs.ts";
import { portOption, withLocalPort } from "./local_port.ts";
import { asOperator, type Operator } from "./operator.ts";
import { type Options, textOption } from "./options.ts";
import type { Output } from "./output.ts";
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
    const port = portOption(options);
    const device = await findDevice(name, operator.ports, operator.signal);
    const sight = { screen, device, user };
    // Before a port is opened: without a viewer there is nothing to do.
    if (port === undefined) {
      chooseViewer(sight, { host: "127.0.0.1", port: 1 }, viewer, operator);
    }
    return await look(sight, viewer, port, operator, output);
  });
}

/** With a port of the user's own, another viewer than ours will do as well. */
async function look(
  sight: Sight,
  viewer: string | undefined,
  port: number | undefined,
  operator: Operator,
  output: Output,
): Promise<number> {
  const { id, name } = sight.device;
  const target = { deviceId: id, service: sight.screen };
  const local = port === undefined
    ? { port: stableLoopbackPort(id), isFixed: false }
    : { port, isFixed: true };
  return await withLocalPort(
    target,
    local,
    operator,
    output,
    async (address, closed) => {
      const shown = printSocketAddress(address);
      if (port !== undefined) output.answer(`listening ${shown}`);
      const mayLack = port !== undefined && viewer === undefined;
      const command = mayLack
        ? viewerIfThere(sight, address, operator)
        : chooseViewer(sight, address, viewer, operator);
      if (!command) {
        operator.say("End the tunnel with Ctrl-C");
        await closed;
        return 0;
      }
      operator.say(`Looking at ${name} (CID-${id}) through ${shown}`);
      const argv = [command.program, ...command.args];
      const { exitCode } = await runProgram(argv, operator.signal);
      if (command.mayDetach && exitCode === 0) {
        operator.say("The tunnel stays open; end it with Ctrl-C");
        await closed;
      }
      return exitCode;
    },
  );
}

function viewerIfThere(
  sight: Sight,
  address: SocketAddress,
  operator: Operator,
): ProgramCommand | undefined {
  try {
    return chooseViewer(sight, address, undefined, operator);
  } catch (error) {
    const fault = Fault.from(error);
    if (fault.code !== "programMissing") throw fault;
    operator.say(`${fault.message}: point your own at the port`);
    return undefined;
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
