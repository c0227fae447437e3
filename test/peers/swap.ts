import { randomBytes } from "node:crypto";
import type { Socket } from "node:net";
import { dialTest, serveTcp, type TestServer } from "../support/tcp_peer.ts";

/** What one side has sent, and what the other one has received of it. */
export interface Swapped {
  readonly up: { readonly sent: string; readonly received: string };
  readonly down: { readonly sent: string; readonly received: string };
}

const BLOCK_BYTES = 1024 * 1024;

/**
 * A service that sends random bytes and takes as many, at the same time: both
 * ways are full, and nobody needs an end of a direction to be carried.
 */
export class SwapService implements AsyncDisposable {
  readonly #server: TestServer;
  readonly #sizeBytes: number;
  #takenSides: ((side: Side) => void)[] = [];

  private constructor(
    server: (serve: (socket: Socket) => void) => TestServer,
    sizeBytes: number,
  ) {
    this.#sizeBytes = sizeBytes;
    this.#server = server((socket) => {
      this.#takenSides.shift()?.(swapSide(socket, sizeBytes));
    });
  }

  static async start(sizeBytes: number): Promise<SwapService> {
    let serve: (socket: Socket) => void = (socket) => socket.destroy();
    const server = await serveTcp((socket) => serve(socket));
    return new SwapService((taken) => {
      serve = taken;
      return server;
    }, sizeBytes);
  }

  get port(): number {
    return this.#server.port;
  }

  /** Dials `port`, behind which this service is, and swaps. */
  async swap(port: number): Promise<Swapped> {
    const { promise, resolve } = Promise.withResolvers<Side>();
    this.#takenSides.push(resolve);
    using client = await dialTest(port);
    const near = swapSide(client.socket, this.#sizeBytes);
    const gone = client.ended.then(() => {
      throw new Error("The connection has ended");
    });
    gone.catch(() => undefined); // Whoever races below hears of it.
    const done = (async (): Promise<Swapped> => {
      const far = await promise;
      return {
        up: { sent: await near.sent, received: await far.received },
        down: { sent: await far.sent, received: await near.received },
      };
    })();
    return await Promise.race([done, gone]);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#server[Symbol.asyncDispose]();
  }
}

/** SHA-256 of what a side has sent, and of the first bytes that came. */
interface Side {
  readonly sent: Promise<string>;
  readonly received: Promise<string>;
}

function swapSide(socket: Socket, sizeBytes: number): Side {
  return { sent: send(socket, sizeBytes), received: take(socket, sizeBytes) };
}

async function send(socket: Socket, sizeBytes: number): Promise<string> {
  const hasher = new Bun.CryptoHasher("sha256");
  let go: () => void = () => undefined;
  socket.on("drain", () => go());
  socket.once("close", () => go());
  for (let left = sizeBytes; left > 0;) {
    const block = randomBytes(Math.min(left, BLOCK_BYTES));
    left -= block.length;
    hasher.update(block);
    if (socket.destroyed) break; // What arrives does not match then.
    if (!socket.write(block)) {
      await new Promise<void>((resolve) => go = resolve);
    }
  }
  return hasher.digest("hex");
}

function take(socket: Socket, sizeBytes: number): Promise<string> {
  const hasher = new Bun.CryptoHasher("sha256");
  let left = sizeBytes;
  const { promise, resolve } = Promise.withResolvers<string>();
  socket.on("data", (chunk: Buffer) => {
    if (left <= 0) return;
    left -= chunk.length;
    hasher.update(chunk);
    if (left <= 0) resolve(hasher.digest("hex"));
  });
  socket.once("close", () => {
    if (left > 0) resolve(`closed, ${left} bytes before the end`);
  });
  return promise;
}

/** That all has arrived as it was sent. */
export function whole(swapped: Swapped): Swapped {
  const { up, down } = swapped;
  return {
    up: { sent: up.sent, received: up.sent },
    down: { sent: down.sent, received: down.sent },
  };
}
