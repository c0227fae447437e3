import { findDevice, listDevices } from "../connect/devices.ts";
import { listenForTunnels } from "../connect/listen.ts";
import {
  runOperatorTunnel,
  type TunnelTarget,
} from "../connect/open_tunnel.ts";
import { Fault } from "../protocol/fault.ts";
import { parseDeviceRef, serviceNameSchema } from "../protocol/id.ts";
import {
  parseSocketAddress,
  printSocketAddress,
} from "../protocol/socket_address.ts";
import { stdioSocket } from "../runtime/stdio_socket.ts";
import { listenTcp } from "../runtime/tcp_socket.ts";
import { asOperator, type Operator } from "./operator.ts";
import { type Options, textOption } from "./options.ts";
import { type Output, sayFault } from "./output.ts";
import { table } from "./table.ts";

/** `connect DEVICE SERVICE --stdio | --listen HOST:PORT`. */
export async function runConnect(
  device: string,
  service: string,
  options: Options,
  output: Output,
): Promise<number> {
  if (!serviceNameSchema.safeParse(service).success) {
    throw new Fault("usageInvalid", `Cannot read "${service}" as a service`, {
      hint: "Give ssh, vnc, rdp, or a name of the device's agent.toml",
    });
  }
  const listen = textOption(options, "listen");
  if ((options["stdio"] === true) === (listen !== undefined)) {
    throw new Fault("usageInvalid", "Cannot tell where to connect", {
      hint: "Give either --stdio or --listen HOST:PORT",
    });
  }
  return await asOperator(options, output, async (operator) => {
    if (listen === undefined) return await overStdio(device, service, operator);
    const found = await findDevice(device, operator.ports, operator.signal);
    const target = { deviceId: found.id, service };
    return await overPort(target, listen, operator, output);
  });
}

/** `devices [--json]`. */
export async function runDevices(
  options: Options,
  output: Output,
): Promise<number> {
  return await asOperator(options, output, async ({ ports, signal }) => {
    const devices = await listDevices(ports, signal);
    if (options["json"]) {
      output.answer(JSON.stringify(devices));
      return 0;
    }
    const rows = devices.map(({ id, name, services, online, seen_at }) => [
      String(id),
      name,
      online ? "online" : `offline since ${seen_at ?? "ever"}`,
      services.join(" "),
    ]);
    for (const line of table([["ID", "NAME", "STATE", "SERVICES"], ...rows])) {
      output.answer(line);
    }
    return 0;
  });
}

/**
 * The bytes go over standard input and output: nothing else may be written
 * there. An id needs no look-up, which saves a handshake.
 */
async function overStdio(
  device: string,
  service: string,
  operator: Operator,
): Promise<number> {
  const { ports, signal } = operator;
  const ref = parseDeviceRef(device);
  const deviceId = ref?.tag === "id"
    ? ref.id
    : (await findDevice(device, ports, signal)).id;
  const target = { deviceId, service };
  await runOperatorTunnel(target, stdioSocket(), ports, () => {}, signal);
  return 0;
}

async function overPort(
  target: TunnelTarget,
  listen: string,
  operator: Operator,
  output: Output,
): Promise<number> {
  const address = parseSocketAddress(listen);
  if (!address) {
    throw new Fault("usageInvalid", `Cannot listen on "${listen}"`, {
      hint: "Give HOST:PORT, such as 127.0.0.1:0",
    });
  }
  const ports = {
    ...operator.ports,
    listen: listenTcp,
    failed: (fault: Fault) => sayFault(fault, output),
  };
  try {
    return await listenForTunnels(
      target,
      address,
      ports,
      (bound) => output.answer(`listening ${printSocketAddress(bound)}`),
      operator.signal,
    );
  } catch (error) {
    // Being told to stop is how a listener ends.
    if (operator.signal.aborted) return 0;
    throw error;
  }
}
