import { afterAll, beforeAll, expect, test } from "bun:test";
import { randomBytes } from "node:crypto";
import type { Socket } from "node:net";
import type { Child } from "../support/child.ts";
import { residentBytes } from "../support/process_memory.ts";
import { rejection } from "../support/rejection.ts";
import { BINARY, type Identity, Site } from "../support/site.ts";
import {
  dialTest,
  echoOnce,
  flood,
  serveTcp,
  type TestServer,
} from "../support/tcp_peer.ts";

const ANSWER = randomBytes(10 * 1024 * 1024);

/** What a process may hold resident, whatever its peers do. */
const RESIDENT_MAX_BYTES = 300 * 1024 * 1024;

let site: Site;
let gateway: Child;
let agent: Child;
let operator: Identity;
let url: string;
/** Sends the answer once the client has ended its direction. */
let answering: TestServer;
/** Breaks off as soon as it has heard something. */
let resetting: TestServer;
let echoing: TestServer;
/** Never reads. */
let deaf: TestServer;
/** Sends for ever, to whoever reads or does not. */
let flooding: TestServer;

beforeAll(async () => {
  site = await Site.create();
  answering = site.own(
    await serveTcp((socket) => {
      socket.resume();
      socket.once("end", () => void socket.end(ANSWER));
    }),
  );
  resetting = site.own(
    await serveTcp((socket) => {
      socket.once("data", () => void socket.resetAndDestroy());
    }),
  );
  echoing = site.own(await serveTcp((socket) => void socket.pipe(socket)));
  deaf = site.own(await serveTcp((socket) => void socket.pause()));
  flooding = site.own(await serveTcp(flood));
  const tables = "[heartbeat]\ninterval_ms = 1000\ntimeout_ms = 3000";
  const started = await site.gateway({ tables });
  gateway = started.child;
  url = started.url;
  operator = await site.identity("operator", "maria");
  const services = {
    answering: answering.port,
    resetting: resetting.port,
    echoing: echoing.port,
    deaf: deaf.port,
    flooding: flooding.port,
  };
  agent = (await site.agent({ id: 7, url, services })).child;
}, 60_000);

afterAll(async () => await site[Symbol.asyncDispose](), 30_000);

/** Starts `connect --listen` for a service. */
async function listen(
  service: string,
): Promise<{ child: Child; port: number }> {
  const flags = site.operatorFlags(url, operator);
  const args = ["connect", "7", service, "--listen", "127.0.0.1:0"];
  const child = site.start([BINARY, ...args, ...flags]);
  const line = await child.line(/^listening 127\.0\.0\.1:\d+$/);
  return { child, port: Number(line.split(":").at(-1)) };
}

test(
  "a client that ends its side still gets all of a 10 MiB answer",
  async () => {
    const { port } = await listen("answering");
    using client = await dialTest(port);
    client.socket.end("question");
    expect(await client.ended).toEqual({
      bytes: ANSWER.length,
      sha256: new Bun.CryptoHasher("sha256").update(ANSWER).digest("hex"),
    });
  },
  30_000,
);

test(
  "a reset by the service reaches the client as a reset, not as an end",
  async () => {
    const { child, port } = await listen("resetting");
    using client = await dialTest(port);
    client.socket.write("hello");
    expect(await rejection(client.ended)).toMatchObject({ code: "ECONNRESET" });
    expect(await child.line(/^migasfree-agent: /)).toMatch(/broke off/);
    await agent.line(/tunnel\.close .*code=streamReset/);
  },
  30_000,
);

test(
  "a connection to a service that refuses is reset, and the reason is said",
  async () => {
    const { port: unused } = await serveTcp(() => undefined).then(
      async (server) => {
        await server[Symbol.asyncDispose]();
        return server;
      },
    );
    await site.agent({ id: 9, url, services: { gone: unused } });
    const flags = site.operatorFlags(url, operator);
    const child = site.start(
      [BINARY, "connect", "9", "gone", "--listen", "127.0.0.1:0", ...flags],
    );
    const port = Number((await child.line(/^listening /)).split(":").at(-1));
    using client = await dialTest(port);
    expect(await rejection(client.ended)).toMatchObject({ code: "ECONNRESET" });
    await child.line(/^migasfree-agent: The device's gone service/);
  },
  30_000,
);

test("one who does not read, at either end, stops nobody else", async () => {
  const echo = await listen("echoing");
  using quiet = await dialTest(echo.port);
  quiet.socket.setNoDelay(true);
  const idleMs = await worstEchoMs(quiet.socket, 100);

  const flooded = await listen("flooding");
  using sleeper = await dialTest(flooded.port);
  sleeper.socket.pause();
  const unheard = await listen("deaf");
  using shouter = await dialTest(unheard.port);
  flood(shouter.socket);

  // Twelve heartbeat intervals: whoever took pressure for death would act.
  const busyMs: number[] = [];
  const untilMs = performance.now() + 12_000;
  while (performance.now() < untilMs) {
    busyMs.push(await worstEchoMs(quiet.socket, 50));
  }
  // A ratio, with room for a noisy machine: a stall would be thousands.
  const medianMs = busyMs.sort((a, b) => a - b)[busyMs.length >> 1] ?? 0;
  expect(medianMs).toBeLessThan(Math.max(10 * idleMs, 100));
  const pids = [gateway, agent, echo.child, flooded.child, unheard.child];
  for (const { pid } of pids) {
    expect(await residentBytes(pid)).toBeLessThan(RESIDENT_MAX_BYTES);
  }
  const said = gateway.output().stderr;
  expect(said).not.toMatch(/linkSilent|agent\.offline device=7 /);

  // Who begins to read again gets on where it was.
  sleeper.socket.resume();
  await new Promise((resolve) => sleeper.socket.once("data", resolve));
}, 60_000);

/** The longest of `count` echoes of 64 bytes, in milliseconds. */
async function worstEchoMs(socket: Socket, count: number): Promise<number> {
  let worstMs = 0;
  for (let index = 0; index < count; index++) {
    worstMs = Math.max(worstMs, await echoOnce(socket, 64));
  }
  return worstMs;
}
