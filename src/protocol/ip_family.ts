import { parseIp } from "./ip_range.ts";

/**
 * Returns of which version of IP `text` is an address; 0: it is none. One of
 * IPv6 may have a zone (RFC 4007 §11), and has no brackets.
 */
export function ipFamily(text: string): 0 | 4 | 6 {
  const [bare = "", zone, ...more] = text.split("%");
  const isZoned = zone !== undefined;
  if (zone === "" || more.length > 0 || /[[\]]/.test(bare)) return 0;
  if (parseIp(bare) === undefined) return 0;
  if (bare.includes(":")) return 6;
  return isZoned ? 0 : 4;
}
