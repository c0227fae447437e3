import { CONTROL_PATH } from "../protocol/version.ts";
import type { Caller } from "../transport/visitor.ts";
import type { IdentitySource } from "./admit.ts";

/** RFC 9110 §7.2: a name or an address, and a port if it is not the usual. */
const HOST_REGEXP =
  /^(?:[A-Za-z0-9._-]{1,253}|\[[0-9A-Fa-f:.]{2,45}\])(?::\d{1,5})?$/;

/**
 * Returns where links of protocol 1 are to be dialed: what the configuration
 * says, else where this request was sent to, with the port that it was. Only
 * who asked hears of that, so that a lie is one's own loss.
 *
 * Undefined: neither says so.
 */
export function relayUrl(
  caller: Caller,
  publicUrl: string | undefined,
  source: IdentitySource,
): string | undefined {
  if (publicUrl !== undefined) return publicUrl;
  const host = caller.header("host") ?? "";
  if (!HOST_REGEXP.test(host)) return undefined;
  const isSecure = source.tag === "certificate" ||
    (source.trusts(caller.peerAddress) &&
      caller.header("x-forwarded-proto") === "https");
  return `${isSecure ? "wss" : "ws"}://${host}${CONTROL_PATH}`;
}
