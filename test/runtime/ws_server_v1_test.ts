import { expect, test } from "bun:test";
import WebSocket from "ws";
import { V1_MESSAGE_MAX_BYTES } from "../../src/protocol/limits.ts";
import { listenWebSockets } from "../../src/runtime/ws_server.ts";
import type { Link } from "../../src/transport/link.ts";

/** A server that accepts all without a subprotocol, and echoes lengths. */
function echoServer() {
  const links: Link[] = [];
  const server = listenWebSockets("127.0.0.1", 0, undefined, {
    visit: (visitor) =>
      void visitor.accept(undefined).then((link) => {
        links.push(link);
        link.handle({
          message: (message) => link.send(`${message.length}`),
          drain: () => undefined,
          closed: () => undefined,
        });
      }),
    request: () => new Response(""),
  });
  return { server, links };
}

function dial(port: number, perMessageDeflate: boolean): Promise<WebSocket> {
  const socket = new WebSocket(`ws://127.0.0.1:${port}/tunnel`, {
    perMessageDeflate,
  });
  return new Promise((resolve, reject) => {
    socket.once("open", () => resolve(socket));
    socket.once("error", reject);
  });
}

function answer(socket: WebSocket): Promise<string> {
  return new Promise((resolve) => {
    socket.once("message", (data) => resolve(String(data)));
    socket.once("close", (code) => resolve(`closed ${code}`));
  });
}

for (const deflate of [true, false]) {
  test(`listenWebSockets() accepts without a subprotocol who offers ${deflate ? "" : "no "}compression, and takes its long messages`, async () => {
    const { server } = echoServer();
    await using _server = server;
    const socket = await dial(server.port, deflate);
    expect(socket.protocol).toBe("");
    expect(socket.extensions).not.toContain("permessage-deflate");
    const first = answer(socket);
    socket.send("x".repeat(V1_MESSAGE_MAX_BYTES));
    expect(await first).toBe(`${V1_MESSAGE_MAX_BYTES}`);
    const second = answer(socket);
    socket.send("x".repeat(V1_MESSAGE_MAX_BYTES + 1));
    expect(await second).toBe("closed 1009");
  });
}

test("listenWebSockets() tells the owner of such a link of pings and pongs", async () => {
  const { links, server } = echoServer();
  await using _server = server;
  const socket = await dial(server.port, false);
  await new Promise((resolve) => setImmediate(resolve));
  const [link] = links;
  const alive = Promise.withResolvers<void>();
  link?.handle({
    message: () => undefined,
    drain: () => undefined,
    alive: alive.resolve,
    closed: () => undefined,
  });
  socket.ping();
  await alive.promise;
  const ponged = new Promise((resolve) => socket.once("ping", resolve));
  link?.ping();
  await ponged;
  socket.terminate();
});
