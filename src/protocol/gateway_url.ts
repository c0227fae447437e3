import { isInRanges, parseIpRange } from "./ip_range.ts";
import { CONTROL_PATH } from "./version.ts";

/** Ours to choose: no gateway's address comes near it. */
const URL_MAX_CHARS = 2_048;

const LOOPBACK_RANGES = ["127.0.0.0/8", "::1"]
  .flatMap((text) => parseIpRange(text) ?? []);

/**
 * Returns whether `host`, as `URL.hostname` has it, is this computer.
 * `localhost` and the names under it are (RFC 6761 §6.3).
 */
export function isLoopbackHost(host: string): boolean {
  return /^(?:.+\.)?localhost\.?$/i.test(host) ||
    isInRanges(host, LOOPBACK_RANGES);
}

/**
 * Reads the address of a gateway: `wss://host[:port]` with nothing behind it
 * or a path that begins with `/tunnel`. An origin alone gets `/tunnel`, a
 * query is kept out, and so are names and passwords.
 *
 * Plain `ws:` is for this computer only, unless `mayBePlain`.
 *
 * Returns undefined if `text` is no such address.
 */
export function parseGatewayUrl(
  text: string,
  mayBePlain: boolean,
): string | undefined {
  // The URL parser forgives a missing slash; whoever reads the file may not.
  if (text.length > URL_MAX_CHARS || !text.includes("://")) return undefined;
  const url = URL.parse(text);
  if (!url || url.hostname === "") return undefined;
  if (url.username + url.password + url.search + url.hash !== "") {
    return undefined;
  }
  const isPlain = url.protocol === "ws:";
  if (!isPlain && url.protocol !== "wss:") return undefined;
  if (isPlain && !mayBePlain && !isLoopbackHost(url.hostname)) return undefined;
  if (url.pathname === "/") url.pathname = CONTROL_PATH;
  const isTunnel = url.pathname === CONTROL_PATH ||
    url.pathname.startsWith(`${CONTROL_PATH}/`);
  return isTunnel ? url.href : undefined;
}
