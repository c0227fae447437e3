import { createSocket } from "node:dgram";
import { plainAddress } from "./plain_address.ts";

/** Names are looked up; whoever asks is about to start. */
const LOOK_UP_TIMEOUT_MS = 1_000;

/** Any port will do: nothing is sent. RFC 863. */
const DISCARD_PORT = 9;

/**
 * Returns the address of this machine from which it would reach `host`, and
 * so the one under which others of that network reach it; undefined if there
 * is no way, or the name does not resolve in time.
 */
export async function localAddressTowards(
  host: string,
): Promise<string | undefined> {
  const socket = createSocket(host.includes(":") ? "udp6" : "udp4");
  const { promise, resolve } = Promise.withResolvers<string | undefined>();
  const timer = setTimeout(() => resolve(undefined), LOOK_UP_TIMEOUT_MS);
  socket.on("error", () => resolve(undefined));
  socket.once(
    "connect",
    () => resolve(plainAddress(socket.address().address)),
  );
  socket.connect(DISCARD_PORT, host);
  const address = await promise;
  clearTimeout(timer);
  socket.close();
  return address;
}
