import { dlopen, ptr } from "bun:ffi";
import { errorCode } from "./files.ts";

/** Takes one message for the service manager; false if it was not taken. */
export type NotifySend = (message: string) => boolean;

/** From <sys/socket.h> of Linux; the same for every architecture we build. */
const AF_UNIX = 1;
const SOCK_DGRAM = 2;
const SOCK_CLOEXEC = 0o2000000;
const MSG_DONTWAIT = 0x40;
const MSG_NOSIGNAL = 0x4000;

/** `sun_path` of unix(7), without the end of the text. */
const PATH_MAX_BYTES = 107;
const FAMILY_BYTES = 2;

/** glibc's name, then musl's. */
const LIBC_NAMES = [
  "libc.so.6",
  `libc.musl-${process.arch === "arm64" ? "aarch64" : "x86_64"}.so.1`,
];

/** systemd's own program for it: where there is no JIT there is no FFI. */
const NOTIFY_PROGRAM = "/usr/bin/systemd-notify";

/**
 * Opens the way to `path`, systemd's notification socket: an absolute path,
 * or `@` and an abstract name (sd_notify(3)).
 *
 * Datagrams over a Unix socket are what neither Bun nor `node:dgram` can do,
 * hence libc. Without the JIT, as under `MemoryDenyWriteExecute=yes`, there is
 * no FFI: then systemd's own program sends each message, and the unit needs
 * `NotifyAccess=all`.
 *
 * @returns Undefined if `path` is no such socket, or there is no way to it.
 */
export function openNotifySocket(path: string): NotifySend | undefined {
  const bytes = Buffer.from(path, "utf8");
  const isAbstract = bytes[0] === 0x40;
  if (!isAbstract && bytes[0] !== 0x2f) return undefined;
  if (bytes.length < 2 || bytes.length > PATH_MAX_BYTES) return undefined;
  for (const name of LIBC_NAMES) {
    try {
      return openByLibc(name, addressOf(bytes, isAbstract));
    } catch {
      // Not this libc, or no FFI at all: the next way will tell.
    }
  }
  return process.platform === "linux" ? sendByProgram(path) : undefined;
}

/** `struct sockaddr_un`; a name ends with a zero byte, an abstract one does not. */
function addressOf(path: Buffer, isAbstract: boolean): Buffer {
  const end = isAbstract ? 0 : 1;
  const address = Buffer.alloc(FAMILY_BYTES + path.length + end);
  address.writeUInt16LE(AF_UNIX, 0);
  path.copy(address, FAMILY_BYTES);
  if (isAbstract) address[FAMILY_BYTES] = 0;
  return address;
}

function openByLibc(name: string, address: Buffer): NotifySend {
  const { symbols } = dlopen(name, {
    socket: { args: ["i32", "i32", "i32"], returns: "i32" },
    sendto: {
      args: ["i32", "ptr", "u64", "i32", "ptr", "u32"],
      returns: "i64",
    },
  });
  const fd = symbols.socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (fd < 0) throw new Error("Cannot make a datagram socket");
  const flags = MSG_NOSIGNAL | MSG_DONTWAIT;
  return (message) => {
    const bytes = Buffer.from(message, "utf8");
    const sent = symbols.sendto(
      fd,
      ptr(bytes),
      bytes.length,
      flags,
      ptr(address),
      address.length,
    );
    return Number(sent) === bytes.length;
  };
}

function sendByProgram(path: string): NotifySend {
  return (message) => {
    try {
      const { success } = Bun.spawnSync(
        [NOTIFY_PROGRAM, `--pid=${process.pid}`, ...message.split("\n")],
        { env: { NOTIFY_SOCKET: path }, stdio: ["ignore", "ignore", "ignore"] },
      );
      return success;
    } catch (error) {
      if (errorCode(error) === "ENOENT") return false;
      throw error;
    }
  };
}
