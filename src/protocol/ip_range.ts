/** A block of addresses, as `10.0.0.0/8` or `2001:db8::/32` say it. */
export interface IpRange {
  /** As it was written. */
  readonly text: string;
  /** 4 bytes, or 16. */
  readonly address: Uint8Array;
  readonly prefixBits: number;
}

const IPV6_MAX_CHARS = 45;
/** IPv4-mapped addresses, `::ffff:0:0/96` (RFC 4291 §2.5.5.2). */
const MAPPED_PREFIX = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff];

/**
 * Reads an IP address, an IPv6 one with or without brackets. An IPv4-mapped
 * IPv6 address is the IPv4 address: a dual-stack listener shows callers so.
 *
 * Returns 4 or 16 bytes, or undefined if `text` is no address.
 */
export function parseIp(text: string): Uint8Array | undefined {
  const ipv4 = parseIpv4(text);
  if (ipv4) return ipv4;
  const bytes = parseIpv6(text.replace(/^\[(.*)\]$/, "$1"));
  if (!bytes) return undefined;
  const isMapped = MAPPED_PREFIX.every((byte, index) => bytes[index] === byte);
  return isMapped ? bytes.subarray(MAPPED_PREFIX.length) : bytes;
}

/**
 * Reads an address with or without a prefix length (RFC 4632 §3.1); without
 * one the range is that address alone.
 *
 * Returns undefined if `text` is neither.
 */
export function parseIpRange(text: string): IpRange | undefined {
  const [, ip = "", digits] = /^([^/]*)(?:\/([0-9]{1,3}))?$/.exec(text) ?? [];
  const address = parseIp(ip);
  if (!address) return undefined;
  const widthBits = address.length * 8;
  // Of `::ffff:10.0.0.0/104`, 96 bits are the mark of an IPv4 address.
  const markBits = ip.includes(":") && widthBits === 32 ? 96 : 0;
  const prefixBits = digits === undefined
    ? widthBits
    : Number(digits) - markBits;
  if (prefixBits < 0 || prefixBits > widthBits) return undefined;
  return { text, address, prefixBits };
}

/** Returns whether `text` is an address inside one of `ranges`. */
export function isInRanges(text: string, ranges: readonly IpRange[]): boolean {
  const address = parseIp(text);
  return address !== undefined &&
    ranges.some((range) => contains(range, address));
}

function contains(range: IpRange, address: Uint8Array): boolean {
  if (address.length !== range.address.length) return false;
  return address.every((byte, index) => {
    const bits = Math.min(8, Math.max(0, range.prefixBits - index * 8));
    const mask = 0xff & (0xff << (8 - bits));
    return (byte & mask) === ((range.address[index] ?? 0) & mask);
  });
}

function parseIpv4(text: string): Uint8Array | undefined {
  // No leading zeros: some readers take them for octal.
  if (!/^(?:(?:0|[1-9][0-9]{0,2})(?:\.(?!$)|$)){4}$/.test(text)) {
    return undefined;
  }
  const parts = text.split(".").map(Number);
  return parts.every((part) => part <= 255)
    ? Uint8Array.from(parts)
    : undefined;
}

/** RFC 4291 §2.2, each of its forms; §2.3's prefix is not for here. */
function parseIpv6(text: string): Uint8Array | undefined {
  if (text.length > IPV6_MAX_CHARS) return undefined;
  const [head = "", tail, ...more] = withoutQuad(text).split("::");
  const first = groupsOf(head);
  const last = groupsOf(tail ?? "");
  if (!first || !last || more.length > 0) return undefined;
  const missingCount = 8 - first.length - last.length;
  // `::` stands for one group or more; without it, none may be missing.
  const isWhole = tail === undefined ? missingCount === 0 : missingCount > 0;
  if (!isWhole) return undefined;
  const zeros = new Array<number>(missingCount).fill(0);
  const groups = [...first, ...zeros, ...last];
  return Uint8Array.from(groups.flatMap((group) => [group >> 8, group & 0xff]));
}

/** Writes the IPv4 address that may stand at the end as two groups. */
function withoutQuad(text: string): string {
  const [, head = "", quad = ""] = /^(.*:)([0-9.]+)$/.exec(text) ?? [];
  const ipv4 = parseIpv4(quad);
  return ipv4 ? head + ipv4.toHex().replace(/^.{4}/, "$&:") : text;
}

/** Returns the groups of 16 bits in `text`, or undefined if one is none. */
function groupsOf(text: string): number[] | undefined {
  if (text === "") return [];
  const groups = text.split(":");
  return groups.every((group) => /^[0-9a-f]{1,4}$/i.test(group))
    ? groups.map((group) => parseInt(group, 16))
    : undefined;
}
