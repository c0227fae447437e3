import { Scope } from "../base/scope.ts";
import { Fault } from "../protocol/fault.ts";
import type { ByteSocket } from "../transport/byte_socket.ts";
import { runOperatorTunnel, type TunnelTarget } from "./open_tunnel.ts";
import type { OperatorPorts } from "./ports.ts";

/** How many connections one listener carries at once: ours to choose. */
const CONNECTIONS_MAX_COUNT = 64;

/** How many more may wait for a place, unread. */
const WAITING_MAX_COUNT = 256;

export interface ListenPorts extends OperatorPorts {
  /** Listens on TCP; port 0 is any free one. @throws {Fault} `configInvalid`. */
  readonly listen: (
    address: { readonly host: string; readonly port: number },
    onSocket: (socket: ByteSocket, remoteAddress: string) => void,
  ) => Promise<
    AsyncDisposable & { readonly host: string; readonly port: number }
  >;
  /** A connection's tunnel ended badly, or could not be opened. */
  readonly failed: (fault: Fault) => void;
}

/**
 * Opens a tunnel to `target` for each connection to `address`, until
 * `signal` aborts. A connection whose tunnel cannot be opened is reset.
 *
 * @param listening Told where it listens, once it does.
 * @throws {Fault} `configInvalid` if it cannot listen there.
 * @throws `signal.reason`, after all tunnels have ended.
 */
export async function listenForTunnels(
  target: TunnelTarget,
  address: { readonly host: string; readonly port: number },
  ports: ListenPorts,
  listening: (address: { host: string; port: number }) => void,
  signal: AbortSignal,
): Promise<never> {
  await using scope = new Scope(signal);
  let running = 0;
  const waiting: ByteSocket[] = [];
  const carry = async (first: ByteSocket, signal: AbortSignal) => {
    running++;
    for (
      let socket: ByteSocket | undefined = first;
      socket;
      socket = waiting.shift()
    ) {
      try {
        await runOperatorTunnel(target, socket, ports, () => undefined, signal);
      } catch (error) {
        if (!signal.aborted) ports.failed(Fault.from(error));
      }
    }
    running--;
  };
  const listener = scope.own(
    await ports.listen(address, (socket) => {
      if (running < CONNECTIONS_MAX_COUNT) {
        return scope.go((signal) => carry(socket, signal));
      }
      if (waiting.length < WAITING_MAX_COUNT) return waiting.push(socket);
      socket.reset();
      const message = `Cannot carry more than ${CONNECTIONS_MAX_COUNT} ` +
        `tunnels at once; ${WAITING_MAX_COUNT} wait already`;
      ports.failed(new Fault("quotaExceeded", message));
    }),
  );
  listening(listener);
  const { promise, reject } = Promise.withResolvers<never>();
  const stop = () => reject(signal.reason);
  if (signal.aborted) stop();
  signal.addEventListener("abort", stop, { once: true });
  return await promise;
}
