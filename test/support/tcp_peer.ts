import { randomBytes } from "node:crypto";
import { connect, createServer, type Server, type Socket } from "node:net";

/** A TCP server of a test's own, on a free port of 127.0.0.1. */
export interface TestServer extends AsyncDisposable {
  readonly port: number;
}

/** Serves each connection with `serve`; half-open connections are allowed. */
export async function serveTcp(
  serve: (socket: Socket) => void,
): Promise<TestServer> {
  const sockets = new Set<Socket>();
  const server: Server = createServer({ allowHalfOpen: true }, (socket) => {
    sockets.add(socket);
    socket.once("close", () => sockets.delete(socket));
    // How a connection ends is what the tests look at from the other side.
    socket.on("error", () => socket.destroy());
    serve(socket);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("port");
  return {
    port: address.port,
    [Symbol.asyncDispose]: () => {
      for (const socket of sockets) socket.destroy();
      server.close();
      return Promise.resolve();
    },
  };
}

/** A client's side of a connection, with what came over it. */
export interface TestClient extends Disposable {
  readonly socket: Socket;
  /** Resolves when the other side has ended, or rejects with the error. */
  readonly ended: Promise<{ bytes: number; sha256: string }>;
}

/** Connects to a port of 127.0.0.1 and reads all that comes. */
export async function dialTest(port: number): Promise<TestClient> {
  const socket = connect({ port, host: "127.0.0.1", allowHalfOpen: true });
  await new Promise<void>((resolve, reject) => {
    socket.once("connect", resolve);
    socket.once("error", reject);
  });
  const hasher = new Bun.CryptoHasher("sha256");
  let bytes = 0;
  socket.on("data", (chunk) => {
    bytes += chunk.length;
    hasher.update(chunk);
  });
  const ended = new Promise<{ bytes: number; sha256: string }>(
    (resolve, reject) => {
      socket.once(
        "end",
        () => resolve({ bytes, sha256: hasher.digest("hex") }),
      );
      socket.once("error", reject);
      socket.once("close", () => reject(new Error("closed without an end")));
    },
  );
  // Whoever waits for it hears of it; who does not, does not care.
  ended.catch(() => undefined);
  return { socket, ended, [Symbol.dispose]: () => void socket.destroy() };
}

/** Milliseconds from sending `size` bytes to an echo server to having them back. */
export async function echoOnce(socket: Socket, size: number): Promise<number> {
  const startMs = performance.now();
  let left = size;
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const hear = (chunk: Buffer) => {
    left -= chunk.length;
    if (left <= 0) resolve();
  };
  const gone = () => reject(new Error("The echo has gone"));
  socket.on("data", hear);
  socket.once("close", gone);
  socket.write(new Uint8Array(size));
  await promise;
  socket.off("data", hear);
  socket.off("close", gone);
  return performance.now() - startMs;
}

/** Sends random bytes for ever, as fast as the other side takes them. */
export function flood(socket: Socket): void {
  const block = randomBytes(64 * 1024);
  const send = () => {
    while (socket.writable && socket.write(block));
  };
  socket.on("drain", send);
  send();
}
