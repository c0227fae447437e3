import { expect, test } from "bun:test";
import { AgentSession } from "../../src/gateway/agent_session.ts";
import { Heartbeats } from "../../src/transport/heartbeats.ts";
import { ManualClock, settle } from "../support/manual_clock.ts";
import { memoryLinks } from "../support/memory_link.ts";
import { rejection } from "../support/rejection.ts";

const HEARTBEAT = { "interval_ms": 20_000, "timeout_ms": 42_000 };
const HELLO = {
  type: "hello",
  versions: [2],
  software: "test",
  device: { id: 7, name: "aula-7" },
  services: [{ name: "ssh", state: "open" }],
};
const REQUEST = {
  tunnel: "0123456789abcdef0123456789abcdef",
  service: "ssh",
  operator: "ana",
  ticket: "ticket",
  "deadline_ms": 10_000,
};

test("AgentSession.open() asks the agent for nothing once the operator has left", async () => {
  const clock = new ManualClock();
  const { far, near } = memoryLinks();
  const heard: unknown[] = [];
  far.handle({
    message: (message) => heard.push(JSON.parse(String(message)).type),
    drain: () => undefined,
    closed: () => undefined,
  });
  far.send(JSON.stringify(HELLO));
  const session = await AgentSession.welcome(near, "CN=7", {
    clock,
    heartbeats: new Heartbeats(clock, "forgive"),
    heartbeat: HEARTBEAT,
    welcome: () =>
      Promise.resolve({
        type: "welcome",
        version: 2,
        software: "test",
        heartbeat: HEARTBEAT,
        retry_cap_ms: 5_000,
        tunnels_max: 64,
      }),
    servicesChanged: () => undefined,
    detached: () => undefined,
  }, new AbortController().signal);
  const left = new Error("The operator has left");
  const opening = session.open(REQUEST, AbortSignal.abort(left));
  expect(await rejection(opening)).toBe(left);
  await settle();
  expect(heard).toEqual(["welcome"]);
});
