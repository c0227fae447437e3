import { STREAM_SUBPROTOCOL } from "../protocol/version.ts";
import type { ByteSocket } from "../transport/byte_socket.ts";
import {
  type ResumePorts,
  runStream,
  type StreamCounts,
} from "../transport/stream_link.ts";
import type { OperatorPorts } from "./ports.ts";

/** Which service of which device. */
export interface TunnelTarget {
  readonly deviceId: number;
  readonly service: string;
}

/**
 * Opens a tunnel to `target` and carries the bytes of `socket` through it
 * until both directions have ended. Owns `socket`: on failure it is reset.
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
  const { deviceId, service } = target;
  const url = `${ports.gatewayUrl}/connect?device=${deviceId}` +
    `&service=${encodeURIComponent(service)}`;
  const headers = { "X-Agent-ID": String(deviceId) };
  const link = await ports.dial(url, STREAM_SUBPROTOCOL, headers, signal)
    .catch((error: unknown) => {
      socket.reset();
      throw error;
    });
  const resume: ResumePorts = {
    random: ports.random,
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
  const streamPorts = { ...ports, joined, resume };
  const result = await runStream(socket, link, streamPorts, signal);
  if (result.fault) throw result.fault;
  return result;
}
