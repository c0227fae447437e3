import { plainText } from "../base/text.ts";
import { Fault } from "../protocol/fault.ts";
import {
  type IpRange,
  isInRanges,
  parseIpRange,
} from "../protocol/ip_range.ts";

const SHOWN_MAX_CHARS = 64;

/**
 * Reads a block of addresses that a person wrote, `10.0.0.0/8` or `::1`.
 *
 * @throws {Fault} `configInvalid` if `text` is none.
 */
export function parseCidr(text: string): IpRange {
  const range = parseIpRange(text);
  if (range) return range;
  throw new Fault(
    "configInvalid",
    `Cannot read "${plainText(text, SHOWN_MAX_CHARS)}" as addresses`,
    { hint: "Write for example 127.0.0.1/32, 10.0.0.0/8 or 2001:db8::/32" },
  );
}

/**
 * Returns whether `address` is inside `cidr`: never if it is no address. An
 * IPv4-mapped IPv6 address is the IPv4 address.
 */
export function cidrContains(cidr: IpRange, address: string): boolean {
  return isInRanges(address, [cidr]);
}
