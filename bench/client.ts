import { randomBytes } from "node:crypto";
import { connect, type Socket } from "node:net";

const BLOCK = randomBytes(4 * 1024 * 1024);
const PIECE_BYTES = 256 * 1024;

/** Longest time for one measurement: a path that hangs is no figure. */
const PATIENCE_MS = 120_000;

/** Seconds until `bytes` have come from the service. */
export async function download(port: number, bytes: number): Promise<number> {
  const socket = await dial(port);
  const startMs = performance.now();
  let left = bytes;
  await within(socket, (done, failed) => {
    socket.on("data", (chunk: Buffer) => {
      left -= chunk.length;
      if (left <= 0) done();
    });
    socket.on("end", () => {
      if (left > 0) failed(new Error(`${left} bytes are missing`));
    });
    socket.write(`D ${bytes}\n`);
  });
  return (performance.now() - startMs) / 1_000;
}

/** Seconds until the service has said that it has read `bytes`. */
export async function upload(port: number, bytes: number): Promise<number> {
  const socket = await dial(port);
  const startMs = performance.now();
  await within(socket, (done) => {
    socket.on("data", (chunk: Buffer) => {
      if (chunk.toString() === "ok") done();
    });
    socket.write(`U ${bytes}\n`);
    pump(socket, bytes);
  });
  return (performance.now() - startMs) / 1_000;
}

/** Sends `bytes`, as fast as they are taken. */
function pump(socket: Socket, bytes: number): void {
  let left = bytes;
  const more = () => {
    while (left > 0) {
      const from = (bytes - left) % (BLOCK.length - PIECE_BYTES);
      const piece = BLOCK.subarray(from, from + Math.min(left, PIECE_BYTES));
      left -= piece.length;
      if (!socket.write(piece)) return;
    }
  };
  socket.on("drain", more);
  more();
}

/** Round trips of 64 bytes, one after the other, in microseconds. */
export async function echoes(port: number, count: number): Promise<number[]> {
  const socket = await dial(port);
  const tookUs: number[] = [];
  const message = randomBytes(64);
  let left = 64;
  let startMs = 0;
  await within(socket, (done) => {
    const next = () => {
      left = 64;
      startMs = performance.now();
      socket.write(message);
    };
    socket.on("data", (chunk: Buffer) => {
      left -= chunk.length;
      if (left > 0) return;
      tookUs.push((performance.now() - startMs) * 1_000);
      if (tookUs.length < count) next();
      else done();
    });
    socket.write("E\n");
    next();
  });
  return tookUs;
}

/** Milliseconds from the connection's accept to the service's first byte. */
export async function openTime(port: number): Promise<number> {
  const startMs = performance.now();
  const socket = await dial(port);
  await within(socket, (done) => {
    socket.once("data", done);
    socket.write("H\n");
  });
  return performance.now() - startMs;
}

/** A short connection, from its beginning to the end of both directions. */
export async function greet(port: number): Promise<void> {
  const socket = await dial(port);
  await within(socket, (done) => {
    socket.on("data", () => undefined);
    socket.once("end", () => socket.end(done));
    socket.write("H\n");
  });
}

/** A download that goes on until `stop` is called. */
export async function flood(port: number): Promise<() => void> {
  const socket = await dial(port);
  socket.on("data", () => undefined);
  socket.write(`D ${Number.MAX_SAFE_INTEGER}\n`);
  return () => void socket.destroy();
}

async function dial(port: number): Promise<Socket> {
  const socket = connect({
    port,
    host: "127.0.0.1",
    allowHalfOpen: true,
    noDelay: true,
  });
  await new Promise<void>((resolve, reject) => {
    socket.once("connect", resolve);
    socket.once("error", reject);
  });
  return socket;
}

async function within(
  socket: Socket,
  start: (done: () => void, failed: (error: Error) => void) => void,
): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const late = () => reject(new Error("It takes too long"));
  const timer = setTimeout(late, PATIENCE_MS);
  socket.once("error", reject);
  socket.once("close", () => reject(new Error("The path broke off")));
  start(resolve, reject);
  try {
    await promise;
  } finally {
    clearTimeout(timer);
    socket.destroy();
  }
}
