import { afterEach, expect, test } from "bun:test";
import { once } from "node:events";
import type { Socket } from "node:net";
import WebSocket, { WebSocketServer } from "ws";
import { eventually } from "./eventually.ts";
import { FaultRelay, type FaultRelayOptions } from "./fault_relay.ts";
import type { Weather } from "./fault_weather.ts";
import { dialTest, echoOnce, serveTcp } from "./tcp_peer.ts";

let resources = new AsyncDisposableStack();

afterEach(async () => {
  await resources.disposeAsync();
  resources = new AsyncDisposableStack();
});

/** Resolves when `socket` is closed, whatever broke it off. */
function gone(socket: Socket): Promise<string> {
  return new Promise((resolve) => {
    socket.on("error", () => undefined);
    if (socket.destroyed) resolve("closed");
    socket.once("close", () => resolve("closed"));
  });
}

/** A relay before a server that echoes, and what its server's sockets are. */
async function relayed(
  weather: Partial<Weather> = {},
  options: Partial<FaultRelayOptions> = {},
) {
  const served: Socket[] = [];
  const server = resources.use(
    await serveTcp((socket) => {
      served.push(socket);
      socket.pipe(socket);
    }),
  );
  const target = { host: "127.0.0.1", port: server.port };
  const relay = resources.use(
    await FaultRelay.listen({ target, weather, ...options }),
  );
  return { relay, served };
}

test("FaultRelay passes bytes and ends on, each direction on its own", async () => {
  const { relay } = await relayed();
  using client = await dialTest(relay.port);
  client.socket.end("a word");
  expect((await client.ended).bytes).toBe(6);
  await eventually("nothing is left", () => relay.connectionCount === 0);
  expect(relay.counts).toEqual({
    connections: 1,
    carriedBytes: 12,
    swallowedBytes: 0,
    pings: 0,
    resets: 0,
  });
});

test("FaultRelay makes both directions late, and keeps the order", async () => {
  const { relay } = await relayed({ latencyMs: 20, jitterMs: 20 });
  using client = await dialTest(relay.port);
  const startMs = performance.now();
  let text = "";
  client.socket.on("data", (chunk) => text += chunk);
  for (let index = 0; index < 20; index++) client.socket.write(`${index},`);
  client.socket.end();
  await client.ended;
  expect(performance.now() - startMs).toBeGreaterThan(39);
  expect(text).toBe(Array.from({ length: 20 }, (_, i) => `${i},`).join(""));
});

test("FaultRelay resets after so many bytes, and not one more passes", async () => {
  const { relay, served } = await relayed({ resetAfterBytes: 10 });
  using client = await dialTest(relay.port);
  let heardBytes = 0;
  await eventually("it is there", () => served.length === 1);
  served[0]?.on("data", (chunk: Uint8Array) => heardBytes += chunk.byteLength);
  const isGone = gone(client.socket);
  client.socket.write("0123456789abcdef");
  await isGone;
  expect([heardBytes, relay.counts.carriedBytes]).toEqual([10, 10]);
});

test("FaultRelay swallows what is connected, and tells nobody", async () => {
  const { relay, served } = await relayed();
  using client = await dialTest(relay.port);
  await echoOnce(client.socket, 3);
  relay.swallow();
  client.socket.write("lost");
  await eventually("it is gone", () => relay.counts.swallowedBytes === 4);
  client.socket.destroy();
  using other = await dialTest(relay.port);
  await echoOnce(other.socket, 3);
  expect(served.map(({ destroyed }) => destroyed)).toEqual([false, false]);
});

test("FaultRelay lets one direction die alone", async () => {
  const { relay, served } = await relayed();
  using client = await dialTest(relay.port);
  await echoOnce(client.socket, 3);
  relay.set({ down: "swallowed" });
  client.socket.write("heard");
  await eventually("it echoed", () => relay.counts.swallowedBytes === 5);
  relay.set({ down: "flows" });
  const [server] = served;
  server?.write("never");
  await eventually("it is lost", () => relay.counts.swallowedBytes === 10);
});

test("FaultRelay stands still, and goes on with every byte", async () => {
  const { relay } = await relayed();
  using client = await dialTest(relay.port);
  await echoOnce(client.socket, 3);
  const { carriedBytes } = relay.counts;
  relay.set({ up: "stands", down: "stands" });
  const echo = echoOnce(client.socket, 100_000);
  await new Promise((resolve) => setTimeout(resolve, 30));
  // What was read already may pass; the rest waits.
  expect(relay.counts.carriedBytes - carriedBytes).toBeLessThan(200_000);
  relay.set({ up: "flows", down: "flows" });
  await echo;
  expect(relay.counts.carriedBytes - carriedBytes).toBe(200_000);
});

test("FaultRelay reads as slowly as it is told to", async () => {
  const { relay } = await relayed({ bytesPerSecond: 1_000_000 });
  using client = await dialTest(relay.port);
  expect(await echoOnce(client.socket, 200_000)).toBeGreaterThan(100);
});

test("FaultRelay reaps who is silent for long", async () => {
  const { relay } = await relayed({ idleMs: 50 });
  using client = await dialTest(relay.port);
  await echoOnce(client.socket, 3);
  const startMs = performance.now();
  await gone(client.socket);
  expect(performance.now() - startMs).toBeGreaterThan(40);
  expect(relay.counts.resets).toBe(1);
});

test("FaultRelay holds or resets who dials, if it is to", async () => {
  const { relay, served } = await relayed({ welcome: "held" });
  using held = await dialTest(relay.port);
  held.socket.write("hello");
  await eventually("it is lost", () => relay.counts.swallowedBytes === 5);
  relay.set({ welcome: "refused" });
  const refused = await dialTest(relay.port).then(
    ({ socket }) => gone(socket),
    () => "closed",
  );
  expect([refused, held.socket.destroyed, served.length])
    .toEqual(["closed", false, 0]);
});

test("FaultRelay swallows pings, and cuts a WebSocket at a message", async () => {
  const server = new WebSocketServer({ port: 0, host: "127.0.0.1" });
  await once(server, "listening");
  resources.defer(() => void server.close());
  const heard: string[] = [];
  server.on("connection", (socket) => {
    socket.on("error", () => undefined);
    socket.on("ping", () => heard.push("ping"));
    socket.on("message", (data) => {
      heard.push(String(data));
      socket.send(data as Buffer);
    });
  });
  const { port } = server.address() as { port: number };
  const relay = resources.use(
    await FaultRelay.listen({
      target: { host: "127.0.0.1", port },
      weather: { swallowsPings: true },
      isFramed: true,
      connected: (connection) => connection.cutAtCount = 3,
    }),
  );
  const client = new WebSocket(`ws://127.0.0.1:${relay.port}/`);
  client.on("message", (data) => heard.push(`back ${data}`));
  client.on("error", () => undefined);
  await once(client, "open");
  const closed = once(client, "close");
  for (const word of ["one", "two"]) {
    client.ping();
    client.send(word);
    await eventually(
      word,
      () => relay.counts.pings > 0 && heard.includes(word),
    );
  }
  await closed;
  expect(heard.filter((it) => it !== "back one").concat("back one"))
    .toEqual(["one", "two", "back one"]);
  expect([relay.counts.pings, relay.counts.resets]).toEqual([2, 1]);
});
