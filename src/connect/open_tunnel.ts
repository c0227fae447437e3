import { Fault } from "../protocol/fault.ts";
import { OPEN_TIMEOUT_MS } from "../protocol/limits.ts";
import { STREAM_SUBPROTOCOL } from "../protocol/version.ts";
import type { ByteSocket } from "../transport/byte_socket.ts";
import { runStream, type StreamCounts } from "../transport/stream_link.ts";
import type { OperatorPorts } from "./ports.ts";

/** What the gateway may take beyond its own limit before we stop waiting. */
const PATIENCE_MS = 5_000;

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
  const late = new AbortController();
  const either = AbortSignal.any([signal, late.signal]);
  const waitMs = OPEN_TIMEOUT_MS + PATIENCE_MS;
  const answered = new AbortController();
  const patience = ports.clock.sleep(waitMs, answered.signal).then(
    () => late.abort(noAnswer(target)),
    () => undefined, // It was joined in time, or is over.
  );
  try {
    const url = `${ports.gatewayUrl}/connect?device=${deviceId}` +
      `&service=${encodeURIComponent(service)}`;
    const headers = { "X-Agent-ID": String(deviceId) };
    const link = await ports.dial(url, STREAM_SUBPROTOCOL, headers, either)
      .catch((error: unknown) => {
        socket.reset();
        throw error;
      });
    const result = await runStream(socket, link, {
      ...ports,
      joined: () => {
        answered.abort();
        joined();
      },
    }, either);
    if (result.fault) throw result.fault;
    return result;
  } finally {
    answered.abort();
    await patience;
  }
}

function noAnswer({ deviceId }: TunnelTarget): Fault {
  return new Fault("openTimedOut", `No answer about device ${deviceId}`, {
    hint: "Try again; if it stays so, look at the gateway's log",
  });
}
