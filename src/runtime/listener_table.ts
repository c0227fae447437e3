import { ipFamily } from "../protocol/ip_family.ts";

/** Who listens on this computer: keys that {@linkcode listenerKey} makes. */
export type ListenerTable = ReadonlySet<string>;

/** TCP_LISTEN of the kernel, as /proc shows it (proc(5)). */
const LISTEN_STATE = "0A";

/** TCP_SYN_RECV: before Linux 4.4 such rows stand below their listener. */
const SYN_RECV_STATE = "03";

/** Digits of an address in the table of IPv4, and in that of IPv6. */
const PROC_ADDRESS_CHARS = [8, 32];

const ANY_IPV4 = "0.0.0.0";
const ANY_IPV6 = "::";

/** Returns whether a connection to `host:port` finds a listener in `table`. */
export function isListening(
  table: ListenerTable,
  host: string,
  port: number,
): boolean {
  const wildcards = ipFamily(host) === 4 ? [ANY_IPV4, ANY_IPV6] : [ANY_IPV6];
  return [host, ...wildcards]
    .some((candidate) => table.has(listenerKey(candidate, port)));
}

/**
 * Finds who listens at one of `ports` in rows of `/proc/net/tcp` or
 * `/proc/net/tcp6` of Linux. The tables do not tell whether a listener on `::`
 * takes IPv4 too: it does unless it was told not to, so here it counts as both.
 *
 * By searching the bytes, since it is done every few seconds: of a table of
 * text, as large as it may be, nothing is left to be collected.
 */
export function procListeners(
  rows: Buffer,
  ports: ReadonlySet<number>,
): ListenerTable {
  const table = new Set<string>();
  for (const port of ports) {
    const hexPort = port.toString(16).toUpperCase().padStart(4, "0");
    for (const chars of PROC_ADDRESS_CHARS) {
      const nobody = `${"0".repeat(chars)}:0000`;
      const row = `:${hexPort} ${nobody} ${LISTEN_STATE} `;
      for (
        let at = rows.indexOf(row);
        at >= 0;
        at = rows.indexOf(row, at + 1)
      ) {
        const hex = rows.toString("latin1", Math.max(0, at - chars - 1), at);
        const [, address] = /^ ([0-9A-F]+)$/.exec(hex) ?? [];
        if (address === undefined) continue;
        add(table, addressOfHex(address), port);
      }
    }
  }
  return table;
}

/**
 * Whether the last whole row of `rows`, a beginning of `/proc/net/tcp` or
 * `/proc/net/tcp6`, is no listener's: then none comes after it.
 */
export function endsListeners(rows: Buffer): boolean {
  const end = rows.lastIndexOf("\n");
  if (end <= 0) return false;
  const start = rows.lastIndexOf("\n", end - 1) + 1;
  const row = rows.toString("latin1", start, end);
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
  if (ipFamily(address) !== 0) table.add(listenerKey(address, port));
}

/** One key for all ways to write an address: `::ffff:1.2.3.4` is `1.2.3.4`. */
function listenerKey(address: string, port: number): string {
  return `${canonicalAddress(address)} ${port}`;
}

function canonicalAddress(address: string): string {
  const [bare = ""] = address.split("%"); // Without the zone (RFC 4007 §11).
  if (bare === ANY_IPV6 || ipFamily(bare) !== 6) return bare;
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
