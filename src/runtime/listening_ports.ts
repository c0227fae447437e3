import { execFile } from "node:child_process";
import { open } from "node:fs/promises";
import { isIP } from "node:net";
import { networkInterfaces } from "node:os";
import {
  isListening,
  type ListenerTable,
  parseDarwinNetstat,
  parseProcNetTcp,
  parseWindowsNetstat,
} from "./listener_table.ts";

/** `unknown`: this computer cannot tell, and only a connection would. */
export type PortState = "open" | "closed" | "unknown";

/** Where a service should listen. */
export interface PortAddress {
  /** `localhost` or an IP address, IPv6 without brackets. */
  readonly host: string;
  readonly port: number;
}

/** By way of the process, not of /proc/net: that one goes with ProcSubset=pid. */
const PROC_PATHS = ["/proc/self/net/tcp", "/proc/self/net/tcp6"] as const;

/** Listeners come first in the kernel's tables: this is room for thousands. */
const PROC_MAX_BYTES = 1024 * 1024;

const NETSTAT_TIMEOUT_MS = 5_000;
const NETSTAT_MAX_BYTES = 4 * 1024 * 1024;
/** A program per question would be felt; a table this old is still true. */
const NETSTAT_MAX_AGE_MS = 3_000;

const LOOPBACK_REGEXP = /^(127(\.[0-9]{1,3}){3}|::1|0\.0\.0\.0|::)$/;

/** As {@linkcode portStates}, of one address. */
export async function portState(address: PortAddress): Promise<PortState> {
  const [state = "unknown"] = await portStates([address]);
  return state;
}

/**
 * Returns whether something listens at each of `addresses`, in their order,
 * without connecting to any: a connection would be a line in a service's log.
 * Asks the operating system once, however many there are. An address of
 * another computer, or a name other than `localhost`, is `unknown`.
 */
export async function portStates(
  addresses: readonly PortAddress[],
): Promise<PortState[]> {
  const own = ownAddresses();
  const asked = addresses.map(({ host, port }) => ({
    hosts: hostsOf(host).filter((each) => isOwn(each, own)),
    port,
  }));
  if (asked.every(({ hosts }) => hosts.length === 0)) {
    return asked.map(() => "unknown");
  }
  const table = await readTable();
  return asked.map(({ hosts, port }) => {
    if (!table || hosts.length === 0) return "unknown";
    return hosts.some((host) => isListening(table, host, port))
      ? "open"
      : "closed";
  });
}

function hostsOf(host: string): string[] {
  // RFC 6761 §6.3: always loopback, of either family.
  if (host.toLowerCase() === "localhost") return ["127.0.0.1", "::1"];
  return isIP(host) ? [host] : [];
}

function isOwn(host: string, own: ReadonlySet<string>): boolean {
  return LOOPBACK_REGEXP.test(host) || own.has(host.toLowerCase());
}

function ownAddresses(): ReadonlySet<string> {
  return new Set(
    Object.values(interfaces())
      .flatMap((entries) => entries ?? [])
      .map(({ address }) => address.toLowerCase()),
  );
}

function interfaces(): ReturnType<typeof networkInterfaces> {
  try {
    return networkInterfaces();
  } catch {
    // A service without AF_NETLINK may not ask: loopback is ours in any case.
    return {};
  }
}

function readTable(): Promise<ListenerTable | undefined> {
  switch (process.platform) {
    case "linux":
      return readProcTable();
    case "darwin":
      return netstatTable(parseDarwinNetstat);
    case "win32":
      return netstatTable(parseWindowsNetstat);
    default:
      return Promise.resolve(undefined);
  }
}

async function readProcTable(): Promise<ListenerTable | undefined> {
  const [ipv4, ipv6] = await Promise.all(PROC_PATHS.map(readHead));
  // Without IPv6 in the kernel there is no second table; without a first one,
  // /proc is hidden from us.
  if (ipv4 === undefined) return undefined;
  return new Set([...parseProcNetTcp(ipv4), ...parseProcNetTcp(ipv6 ?? "")]);
}

/** Returns the first PROC_MAX_BYTES of a file, if there is one to be read. */
async function readHead(path: string): Promise<string | undefined> {
  try {
    await using file = await open(path);
    const chunks: Uint8Array[] = [];
    let size = 0;
    while (size < PROC_MAX_BYTES) {
      const { buffer, bytesRead } = await file.read();
      if (bytesRead === 0) break;
      chunks.push(buffer.subarray(0, bytesRead));
      size += bytesRead;
    }
    return Buffer.concat(chunks).toString("latin1");
  } catch {
    return undefined; // Told to the caller as `unknown`.
  }
}

let cached: {
  readonly atMs: number;
  readonly table: Promise<ListenerTable | undefined>;
} | undefined;

function netstatTable(
  parse: (text: string) => ListenerTable,
): Promise<ListenerTable | undefined> {
  const nowMs = performance.now();
  if (!cached || nowMs - cached.atMs > NETSTAT_MAX_AGE_MS) {
    cached = { atMs: nowMs, table: runNetstat(parse) };
  }
  return cached.table;
}

function runNetstat(
  parse: (text: string) => ListenerTable,
): Promise<ListenerTable | undefined> {
  const options = {
    timeout: NETSTAT_TIMEOUT_MS,
    maxBuffer: NETSTAT_MAX_BYTES,
    windowsHide: true,
  };
  return new Promise((resolve) => {
    execFile("netstat", ["-an"], options, (error, stdout) => {
      resolve(error ? undefined : parse(stdout));
    });
  });
}
