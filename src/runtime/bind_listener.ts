import type { SocketHandler, TCPSocketListener, TLSOptions } from "bun";
import type { SocketAddress } from "../protocol/socket_address.ts";
import type { SocketOwner } from "./raw_socket.ts";
import { cannotListenFault } from "./tcp_fault.ts";

/**
 * Listens at `address`, port 0 being any free one.
 *
 * @param hint What a person can do if it cannot.
 * @throws {Fault} `configInvalid` if it cannot listen there.
 */
export function bindListener(
  { host: hostname, port }: SocketAddress,
  socket: SocketHandler<SocketOwner>,
  tls?: TLSOptions,
  hint?: string,
): TCPSocketListener<SocketOwner> {
  try {
    return Bun.listen<SocketOwner>({
      hostname,
      port,
      allowHalfOpen: true,
      // On Windows, another program could take the port otherwise.
      exclusive: true,
      socket,
      ...tls && { tls },
    });
  } catch (error) {
    const cause = error as NodeJS.ErrnoException;
    throw cannotListenFault({ host: hostname, port }, cause, hint);
  }
}
