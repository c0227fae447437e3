import { EXEC_SERVICE } from "../protocol/exec_message.ts";
import { Fault } from "../protocol/fault.ts";
import { STREAM_SUBPROTOCOL } from "../protocol/version.ts";
import type { ByteSocket } from "../transport/byte_socket.ts";
import type { Link } from "../transport/link.ts";
import { runStream } from "../transport/stream_link.ts";
import type { StreamCounts } from "../transport/stream_ports.ts";
import type { ResumePorts } from "../transport/way_back.ts";
import type { OperatorPorts } from "./ports.ts";
import { runV1Tunnel } from "./v1_tunnel.ts";

/** Somebody waits for the program to end, and the agent for nobody. */
const LINGER_MS = 3_000;

/** Which service of which device. */
export interface TunnelTarget {
  readonly deviceId: number;
  readonly service: string;
}

/**
 * Opens a tunnel to `target` and carries the bytes of `socket` through it
 * until both directions have ended. Owns `socket`: on failure it is reset.
 *
 * At a site with the relay of migasfree 5 it speaks protocol 1; there, `exec`
 * is no service.
 *
 * @param joined Called when the service has answered.
 * @throws {Fault} Why the tunnel could not be opened, or how it broke off.
 */
export async function runOperatorTunnel(
  target: TunnelTarget,
  socket: ByteSocket,
  ports: OperatorPorts,
  joined: () => void,
  signal: AbortSignal,
): Promise<StreamCounts> {
  const { site } = ports;
  if (!site.isOld) {
    const link = await dialGateway(target, ports, signal)
      .catch((error: unknown) => {
        socket.reset();
        throw error;
      });
    if (link) return await runOver(link, target, socket, ports, joined, signal);
    site.isOld = true;
  }
  if (target.service === EXEC_SERVICE) {
    throw new Fault("versionUnsupported", "Protocol 1 has commands of its own");
  }
  return await runV1Tunnel(target, socket, ports, joined, signal);
}

/** Returns undefined if whoever is there does not speak protocol 2. */
async function dialGateway(
  target: TunnelTarget,
  ports: OperatorPorts,
  signal: AbortSignal,
): Promise<Link | undefined> {
  try {
    return await dialConnect(target, ports, signal);
  } catch (error) {
    const isOld = Fault.from(error).code === "versionUnsupported";
    if (isOld && ports.site.isOld === undefined) return undefined;
    throw error;
  }
}

function dialConnect(
  { deviceId, service }: TunnelTarget,
  ports: OperatorPorts,
  signal: AbortSignal,
): Promise<Link> {
  const url = `${ports.gatewayUrl}/connect?device=${deviceId}` +
    `&service=${encodeURIComponent(service)}`;
  const headers = { "X-Agent-ID": String(deviceId) };
  return ports.dial(url, STREAM_SUBPROTOCOL, headers, signal);
}

async function runOver(
  link: Link,
  target: TunnelTarget,
  socket: ByteSocket,
  ports: OperatorPorts,
  joined: () => void,
  signal: AbortSignal,
): Promise<StreamCounts> {
  const headers = { "X-Agent-ID": String(target.deviceId) };
  const resume: ResumePorts = {
    random: ports.random,
    lingerMs: LINGER_MS,
    dial: (token, signal) =>
      ports.dial(
        `${ports.gatewayUrl}/resume`,
        STREAM_SUBPROTOCOL,
        { ...headers, "Authorization": `Bearer ${token}` },
        signal,
      ),
    lost: ports.lost,
    back: ports.back,
  };
  const reopen = {
    dial: (signal: AbortSignal) => dialConnect(target, ports, signal),
    random: ports.random,
    leftAtMs: () => ports.site.leftAtMs,
  };
  const streamPorts = { ...ports, joined, resume, reopen, isScouting: true };
  const result = await runStream(socket, link, streamPorts, signal);
  if (result.fault) throw result.fault;
  ports.site.leftAtMs = ports.clock.now();
  ports.tunnelEnded?.();
  return result;
}
