import { dlopen, FFIType, ptr } from "bun:ffi";
import { connect, type Socket } from "node:net";
import { eventually } from "./eventually.ts";

/** A listener of the kernel's that answers no more. */
export interface FullBacklog extends Disposable {
  readonly address: { readonly host: string; readonly port: number };
}

/**
 * Listens on Linux with a queue that is full: a connect gets no answer, and
 * no refusal.
 */
export async function fullBacklog(): Promise<FullBacklog> {
  const { symbols: libc, close: unload } = dlopen("libc.so.6", {
    socket: { args: ["int", "int", "int"], returns: "int" },
    bind: { args: ["int", FFIType.ptr, "int"], returns: "int" },
    listen: { args: ["int", "int"], returns: "int" },
    getsockname: { args: ["int", FFIType.ptr, FFIType.ptr], returns: "int" },
    close: { args: ["int"], returns: "int" },
  });
  const fd = libc.socket(2, 1, 0); // AF_INET, SOCK_STREAM
  const name = new Uint8Array(16);
  new DataView(name.buffer).setUint16(0, 2, true);
  name.set([127, 0, 0, 1], 4);
  const length = Int32Array.of(name.byteLength);
  libc.bind(fd, ptr(name), name.byteLength);
  libc.listen(fd, 0);
  libc.getsockname(fd, ptr(name), ptr(length));
  const address = {
    host: "127.0.0.1",
    port: new DataView(name.buffer).getUint16(2),
  };
  // A queue of 0 holds one connection on Linux; a second one makes sure.
  const fillers: readonly Socket[] = [connect(address), connect(address)];
  for (const filler of fillers) filler.on("error", () => filler.destroy());
  await eventually(
    "a full queue",
    () => fillers.filter((filler) => filler.connecting).length === 1,
  );
  return {
    address,
    [Symbol.dispose]: () => {
      for (const filler of fillers) filler.destroy();
      libc.close(fd);
      unload();
    },
  };
}
