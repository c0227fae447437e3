import { dlopen, ptr } from "bun:ffi";
import { rmSync } from "node:fs";

const AF_UNIX = 1;
const SOCK_DGRAM = 2;
const MSG_DONTWAIT = 0x40;
const MESSAGE_MAX_BYTES = 4_096;

/** A Unix datagram socket, as systemd listens on one for its services. */
export interface Datagrams extends Disposable {
  /** What has come since it was last asked. */
  readonly take: () => string[];
}

/** Listens at `path`, absolute, or abstract with an `@` before it. */
export function listenForDatagrams(path: string): Datagrams {
  const { symbols } = dlopen("libc.so.6", {
    socket: { args: ["i32", "i32", "i32"], returns: "i32" },
    bind: { args: ["i32", "ptr", "u32"], returns: "i32" },
    recv: { args: ["i32", "ptr", "u64", "i32"], returns: "i64" },
    close: { args: ["i32"], returns: "i32" },
  });
  const address = Buffer.concat([
    Buffer.from([AF_UNIX, 0]),
    Buffer.from(path.replace(/^@/, "\0")),
    Buffer.from(path.startsWith("@") ? "" : "\0"),
  ]);
  const fd = symbols.socket(AF_UNIX, SOCK_DGRAM, 0);
  if (symbols.bind(fd, ptr(address), address.length) !== 0) {
    throw new Error(`Cannot listen at ${path}`);
  }
  const buffer = Buffer.alloc(MESSAGE_MAX_BYTES);
  return {
    take: () => {
      const messages: string[] = [];
      for (;;) {
        const size = symbols.recv(
          fd,
          ptr(buffer),
          buffer.length,
          MSG_DONTWAIT,
        );
        if (size < 0) return messages;
        messages.push(buffer.toString("utf8", 0, Number(size)));
      }
    },
    [Symbol.dispose]: () => {
      symbols.close(fd);
      if (!path.startsWith("@")) rmSync(path);
    },
  };
}
