import { connect, createServer, type Socket } from "node:net";
import { TestServer } from "./dial_both.ts";

/**
 * An HTTP CONNECT server for which every name is this computer's: what a
 * proxy asks that finds names no look-up knows.
 */
export async function startConnectServer(): Promise<TestServer> {
  return await TestServer.listen(createServer((socket) => {
    // The tests look at what comes of it, at the far ends.
    socket.on("error", () => socket.destroy());
    let head = "";
    const hear = (chunk: Buffer) => {
      head += chunk.toString("latin1");
      if (!head.includes("\r\n\r\n")) return;
      socket.off("data", hear);
      // RFC 9110 §9.3.6: CONNECT host:port
      const [, port] = /^CONNECT [^ ]+:([0-9]+) /.exec(head) ?? [];
      if (port === undefined) return socket.destroy();
      pipeTo(Number(port), socket);
    };
    socket.on("data", hear);
  }));
}

function pipeTo(port: number, socket: Socket): void {
  const far = connect(port, "127.0.0.1", () => {
    socket.write("HTTP/1.1 200 OK\r\n\r\n");
    socket.pipe(far).pipe(socket);
  });
  far.on("error", () => socket.destroy());
  far.on("close", () => socket.destroy());
  socket.on("close", () => far.destroy());
}
