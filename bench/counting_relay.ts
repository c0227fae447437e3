import { connect, createServer, type Socket } from "node:net";

/** Moves TCP as it is, and counts. */
export interface CountingRelay extends Disposable {
  readonly port: number;
  /** Of both directions so far, without TCP's and IP's own headers. */
  readonly byteCount: () => number;
  /** Pieces that came: each is a packet at least, and as many ACKs at most. */
  readonly pieceCount: () => number;
}

/** Starts a relay to a port of 127.0.0.1. */
export async function startCountingRelay(
  targetPort: number,
): Promise<CountingRelay> {
  const sockets = new Set<Socket>();
  let byteCount = 0;
  let pieceCount = 0;
  const join = (from: Socket, to: Socket) => {
    sockets.add(from);
    from.on("data", (chunk: Buffer) => {
      byteCount += chunk.length;
      pieceCount++;
      to.write(chunk);
    });
    from.on("error", () => to.destroy());
    from.on("close", () => {
      sockets.delete(from);
      to.destroy();
    });
  };
  const server = createServer({ noDelay: true }, (caller) => {
    const callee = connect({
      port: targetPort,
      host: "127.0.0.1",
      noDelay: true,
    });
    join(caller, callee);
    join(callee, caller);
  });
  await new Promise<void>((resolve) => {
    server.listen(0, "127.0.0.1", resolve);
  });
  const address = server.address();
  return {
    port: typeof address === "object" && address ? address.port : 0,
    byteCount: () => byteCount,
    pieceCount: () => pieceCount,
    [Symbol.dispose]: () => {
      server.close();
      for (const socket of sockets) socket.destroy();
    },
  };
}
