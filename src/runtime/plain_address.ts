/**
 * Returns the address of a socket's peer as people write it: an IPv4 address
 * stays one when the socket is IPv6 (RFC 4291 §2.5.5.2).
 */
export function plainAddress(address: string | undefined): string {
  return address?.replace(/^::ffff:(?=[0-9.]+$)/, "") ?? "unknown";
}
