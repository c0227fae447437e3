import { listenForTunnels } from "../connect/listen.ts";
import type { TunnelTarget } from "../connect/open_tunnel.ts";
import { Fault } from "../protocol/fault.ts";
import type { SocketAddress } from "../protocol/socket_address.ts";
import { listenTcp } from "../runtime/tcp_socket.ts";
import type { Operator } from "./operator.ts";
import { type Options, textOption } from "./options.ts";
import { type Output, sayFault } from "./output.ts";

const LOOPBACK_HOST = "127.0.0.1";
const PORT_MAX = 65_535;

/** A port of this computer, for programs of this computer only. */
export interface LocalPort {
  /** 0: any free one. */
  readonly port: number;
  /** Whether another one will not do. */
  readonly isFixed: boolean;
}

/** What goes on while the port is open. */
type Work<T> = (address: SocketAddress, closed: Promise<void>) => Promise<T>;

/**
 * Carries connections to a loopback port to `target` while `work` runs.
 *
 * @param work Told where it listens, and when it does no more.
 * @throws {Fault} `configInvalid` if it cannot listen there.
 */
export async function withLocalPort<T>(
  target: TunnelTarget,
  local: LocalPort,
  operator: Operator,
  output: Output,
  work: Work<T>,
): Promise<T> {
  const done = new AbortController();
  const either = AbortSignal.any([operator.signal, done.signal]);
  const bound = Promise.withResolvers<SocketAddress>();
  const closed = listenForTunnels(
    target,
    { host: LOOPBACK_HOST, port: local.port },
    {
      ...operator.ports,
      listen: local.isFixed ? listenTcp : listenSomewhere,
      failed: (fault) => sayFault(fault, output),
    },
    bound.resolve,
    either,
  ).catch(bound.reject);
  try {
    return await work(await bound.promise, closed);
  } finally {
    done.abort(new Fault("tunnelCancelled", "The program here has ended"));
    await closed;
  }
}

/**
 * Returns the port that `--port` names; undefined if it was not given.
 *
 * @throws {Fault} `usageInvalid` if it names none.
 */
export function portOption(options: Options): number | undefined {
  const text = textOption(options, "port");
  if (text === undefined) return undefined;
  const port = /^\d{1,5}$/.test(text) ? Number(text) : PORT_MAX + 1;
  if (port <= PORT_MAX) return port;
  throw new Fault("usageInvalid", `Cannot read "${text}" as a port`, {
    hint: `Give a number up to ${PORT_MAX}; 0 finds a free port`,
  });
}

/** That port, or any free one if it is taken. */
async function listenSomewhere(...args: Parameters<typeof listenTcp>) {
  const [address, onSocket] = args;
  try {
    return await listenTcp(address, onSocket);
  } catch {
    // Taken: by another viewer of the same device, most likely.
    return await listenTcp({ ...address, port: 0 }, onSocket);
  }
}
