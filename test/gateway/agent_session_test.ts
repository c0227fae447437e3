import { expect, test } from "bun:test";
import { AgentSession } from "../../src/gateway/agent_session.ts";
import { ServiceLists } from "../../src/gateway/service_lists.ts";
import { Heartbeats } from "../../src/transport/heartbeats.ts";
import { ManualClock, settle } from "../support/manual_clock.ts";
import { memoryLinks } from "../support/memory_link.ts";
import { rejection } from "../support/rejection.ts";

const heartbeat = { "interval_ms": 20_000, "timeout_ms": 42_000 };
const HELLO = {
  type: "hello",
  versions: [2],
  software: "test",
  device: { id: 7, name: "aula-7" },
  services: [{ name: "ssh", state: "open" }],
};
const WELCOME = {
  type: "welcome",
  version: 2,
  software: "test",
  heartbeat,
  retry_cap_ms: 5_000,
  tunnels_max: 64,
} as const;
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
  const session = await AgentSession.welcome(
    near,
    { subject: "CN=7", address: "192.0.2.7" },
    () => Promise.resolve(WELCOME),
    {
      ...{ clock, heartbeat, serviceLists: new ServiceLists() },
      heartbeats: new Heartbeats(clock, "forgive"),
    },
    new AbortController().signal,
  );
  const left = new Error("The operator has left");
  const opening = session.open(REQUEST, AbortSignal.abort(left));
  expect(await rejection(opening)).toBe(left);
  await settle();
  expect(heard).toEqual(["welcome"]);
});
