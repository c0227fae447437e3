import { Fault } from "../protocol/fault.ts";
import type { ByteSocket } from "./byte_socket.ts";
import type { Link } from "./link.ts";
import { LinkedStream } from "./linked_stream.ts";
import type { StreamPorts, StreamResult } from "./stream_ports.ts";

/**
 * Joins a local program to the far end of a tunnel over `link`, from the
 * gateway's `joined` until both directions have ended, over as many links as
 * that takes. Owns both from now on: they are closed when it returns.
 *
 * Never rejects: how it ended is in the result.
 */
export function runStream(
  socket: ByteSocket,
  link: Link,
  ports: StreamPorts,
  signal: AbortSignal,
): Promise<StreamResult> {
  return new Promise((resolve) => {
    const stream = new LinkedStream(socket, ports, (result) => {
      signal.removeEventListener("abort", stop);
      resolve(result);
    });
    const stop = () => stream.stop(Fault.from(signal.reason));
    signal.addEventListener("abort", stop, { once: true });
    if (signal.aborted) stop();
    stream.begin(link);
  });
}
