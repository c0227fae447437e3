import * as z from "zod/mini";
import { parseIp } from "./ip_range.ts";

/** Where a TCP socket listens. */
export interface SocketAddress {
  /** A name or an IP address; IPv6 without brackets. */
  readonly host: string;
  /** 0 to 65535. */
  readonly port: number;
}

/** Longest name of the DNS (RFC 1035 §2.3.4). */
const HOST_MAX_CHARS = 253;

/**
 * Reads `host:port`; an IPv6 address stands in brackets.
 *
 * Returns undefined if `text` is nothing of the kind.
 */
export function parseSocketAddress(text: string): SocketAddress | undefined {
  const [, ipv6, name, digits] =
    /^(?:\[([^\]]*)\]|([^:[\]]*)):([0-9]{1,5})$/.exec(text) ?? [];
  const port = Number(digits);
  if (digits === undefined || port > 65_535) return undefined;
  if (ipv6 !== undefined) {
    const isIpv6 = ipv6.includes(":") && parseIp(ipv6) !== undefined;
    return isIpv6 ? { host: ipv6, port } : undefined;
  }
  return name !== undefined && isHostName(name)
    ? { host: name, port }
    : undefined;
}

/** Writes what {@linkcode parseSocketAddress} reads. */
export function printSocketAddress(address: SocketAddress): string {
  const { host, port } = address;
  return host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`;
}

/**
 * `host:port` in a configuration; its messages say what is expected.
 *
 * @param portMin 0 where the system may choose a port.
 */
export function socketAddressSchema(
  portMin: 0 | 1,
): z.ZodMiniType<SocketAddress, string> {
  return z.pipe(
    z.string(),
    z.transform((text, context) => {
      const address = parseSocketAddress(text);
      if (address && address.port >= portMin) return address;
      context.issues.push({
        code: "custom",
        message: "an address such as 127.0.0.1:8443 or [::1]:8443",
        input: text,
      });
      return z.NEVER;
    }),
  );
}

/** What may be asked of a resolver; an underscore is no host's, but in use. */
function isHostName(text: string): boolean {
  if (text.length > HOST_MAX_CHARS) return false;
  // All digits and dots is an IPv4 address or a slip of the pen.
  if (/^[0-9.]+$/.test(text)) return parseIp(text) !== undefined;
  return /^[a-z0-9_](?:[a-z0-9_-]*[a-z0-9_])?(?:\.[a-z0-9_](?:[a-z0-9_-]*[a-z0-9_])?)*\.?$/i
    .test(text);
}
