import { isIP, isIPv4, isIPv6 } from "node:net";

/** Who listens on this computer: keys that {@linkcode listenerKey} makes. */
export type ListenerTable = ReadonlySet<string>;

/** TCP_LISTEN of the kernel, as /proc shows it (proc(5)). */
const LISTEN_STATE = "0A";

/** TCP_SYN_RECV: before Linux 4.4 such rows stand below their listener. */
const SYN_RECV_STATE = "03";

const ANY_IPV4 = "0.0.0.0";
const ANY_IPV6 = "::";

/** Returns whether a connection to `host:port` finds a listener in `table`. */
export function isListening(
  table: ListenerTable,
  host: string,
  port: number,
): boolean {
  const wildcards = isIPv4(host) ? [ANY_IPV4, ANY_IPV6] : [ANY_IPV6];
  return [host, ...wildcards]
    .some((candidate) => table.has(listenerKey(candidate, port)));
}

/**
 * Reads `/proc/net/tcp` or `/proc/net/tcp6` of Linux; what is no row of them
 * is passed over. The tables do not tell whether a listener on `::` takes
 * IPv4 too: it does unless it was told not to, so here it counts as both.
 */
export function parseProcNetTcp(text: string): ListenerTable {
  const table = new Set<string>();
  for (const line of text.split("\n")) {
    const [, local = "", , state] = line.trim().split(/\s+/);
    const [, hex = "", port = ""] =
      /^([0-9A-F]{8}|[0-9A-F]{32}):([0-9A-F]{4})$/.exec(local) ?? [];
    if (state !== LISTEN_STATE || hex === "") continue;
    add(table, addressOfHex(hex), Number.parseInt(port, 16));
  }
  return table;
}

/**
 * Whether the last whole row of `text`, a beginning of `/proc/net/tcp` or
 * `/proc/net/tcp6`, is no listener's: then none comes after it.
 */
export function endsListeners(text: string): boolean {
  const end = text.lastIndexOf("\n");
  const row = text.slice(text.lastIndexOf("\n", end - 1) + 1, end);
  const [number = "", , , state = ""] = row.trim().split(/\s+/);
  return /^[0-9]+:$/.test(number) &&
    ![LISTEN_STATE, SYN_RECV_STATE].includes(state);
}

/**
 * Reads what `netstat -an` prints on macOS: `127.0.0.1.22`, `*.22`, `::1.22`.
 */
export function parseDarwinNetstat(text: string): ListenerTable {
  const table = new Set<string>();
  for (const line of text.split("\n")) {
    const columns = line.trim().split(/\s+/);
    const [protocol = "", , , local = ""] = columns;
    if (!protocol.startsWith("tcp") || columns[5] !== "LISTEN") continue;
    const [, name = "", port = ""] = /^(.+)\.([0-9]{1,5})$/.exec(local) ?? [];
    const anyAddress = protocol === "tcp4" ? ANY_IPV4 : ANY_IPV6;
    add(table, name === "*" ? anyAddress : name, Number(port));
  }
  return table;
}

/**
 * Reads what `netstat -an` prints on Windows. The state is a translated word
 * there, so a listener is known by having nobody on the other side.
 */
export function parseWindowsNetstat(text: string): ListenerTable {
  const table = new Set<string>();
  for (const line of text.split(/\r?\n/)) {
    const [protocol, local = "", foreign = ""] = line.trim().split(/\s+/);
    if (protocol !== "TCP" || !/^(0\.0\.0\.0|\[::\]):0$/.test(foreign)) {
      continue;
    }
    const [, name = "", port = ""] =
      /^\[?([^\]]+?)\]?:([0-9]{1,5})$/.exec(local) ?? [];
    add(table, name, Number(port));
  }
  return table;
}

function add(table: Set<string>, address: string, port: number): void {
  if (isIP(address) !== 0) table.add(listenerKey(address, port));
}

/** One key for all ways to write an address: `::ffff:1.2.3.4` is `1.2.3.4`. */
function listenerKey(address: string, port: number): string {
  return `${canonicalAddress(address)} ${port}`;
}

function canonicalAddress(address: string): string {
  const [bare = ""] = address.split("%"); // Without the zone (RFC 4007 §11).
  if (!isIPv6(bare)) return bare;
  const mapped = /^::ffff:([0-9.]+)$/i.exec(bare)?.[1];
  if (mapped) return mapped;
  const canonical = new URL(`http://[${bare}]/`).hostname.slice(1, -1);
  const [, high, low] = /^::ffff:([0-9a-f]+):([0-9a-f]+)$/.exec(canonical) ??
    [];
  if (high === undefined || low === undefined) return canonical;
  return [Number.parseInt(high, 16), Number.parseInt(low, 16)]
    .map((half) => `${half >> 8}.${half & 0xff}`).join(".");
}

/** The kernel prints 32-bit words in its own order: little-endian on all ours. */
function addressOfHex(hex: string): string {
  const bytes = [...hex.matchAll(/(..)(..)(..)(..)/g)]
    .flatMap((word) => word.slice(1).reverse());
  if (bytes.length === 4) {
    return bytes.map((byte) => Number.parseInt(byte, 16)).join(".");
  }
  return bytes.join("").replace(/(....)(?!$)/g, "$1:");
}
