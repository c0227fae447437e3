import type { Socket } from "node:net";
import type { FarEnd } from "../contract/byte_socket_contract.ts";

/** A TCP connection moved by hand, straight on node:net. */
export function rawFarEnd(socket: Socket): FarEnd {
  let ending: "end" | "reset" | undefined;
  let chunks: Uint8Array[] = [];
  let changed = Promise.withResolvers<void>();
  const change = () => {
    changed.resolve();
    changed = Promise.withResolvers<void>();
  };
  socket.on("data", (chunk: Uint8Array) => {
    chunks.push(chunk);
    change();
  });
  socket.on("end", () => {
    ending ??= "end";
    change();
  });
  socket.on("error", () => {
    ending ??= "reset";
    change();
  });
  return {
    write: (bytes) =>
      new Promise((resolve, reject) => {
        socket.write(bytes, (error) => error ? reject(error) : resolve());
      }),
    end: () => void socket.end(),
    pause: () => void socket.pause(),
    read: async (size) => {
      while (lengthOf(chunks) < size) {
        if (ending) throw new Error(`Expected ${size} bytes, met ${ending}`);
        await changed.promise;
      }
      const all = Buffer.concat(chunks);
      chunks = [all.subarray(size)];
      return new Uint8Array(all.subarray(0, size));
    },
    readAll: async () => {
      socket.resume();
      while (!ending) await changed.promise;
      return { bytes: new Uint8Array(Buffer.concat(chunks)), ending };
    },
    reset: () => void socket.resetAndDestroy(),
  };
}

function lengthOf(chunks: readonly Uint8Array[]): number {
  return chunks.reduce((sum, chunk) => sum + chunk.byteLength, 0);
}
