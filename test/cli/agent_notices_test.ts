import { expect, test } from "bun:test";
import type { AgentState } from "../../src/agent/agent.ts";
import { AgentNotices } from "../../src/cli/agent_notices.ts";
import { Fault } from "../../src/protocol/fault.ts";
import type { ServiceManager } from "../../src/runtime/service_manager.ts";
import { Progress } from "../../src/transport/progress.ts";
import { ManualClock } from "../support/manual_clock.ts";
import { rejection } from "../support/rejection.ts";

/** A manager that keeps what it is told. */
function listManager(feedEveryMs: number | undefined = undefined) {
  const told: string[] = [];
  const manager: ServiceManager = {
    feedEveryMs,
    ready: (status) => void told.push(`ready: ${status}`),
    status: (text) => void told.push(text),
    reloading: () => void told.push("reloading"),
    stopping: () => void told.push("stopping"),
    feed: () => void told.push("feed"),
  };
  return { told, manager };
}

function state(
  link: AgentState["link"],
  lastFault?: Fault,
  tunnelCount = 0,
): Parameters<AgentNotices["show"]>[0] {
  return {
    link,
    gatewayUrl: "wss://gw/tunnel",
    lastFault,
    tunnels: Array.from({ length: tunnelCount }, () => "tunnel"),
  };
}

const silent = new Fault("linkSilent", "The gateway was silent for 42 s");

test("AgentNotices is ready when the link is up, and then only says how it goes", () => {
  const { told, manager } = listManager();
  const notices = new AgentNotices(manager);
  notices.show(state("connecting"));
  expect(told).toEqual([]);
  notices.show(state("online"));
  notices.show(state("online", undefined, 1));
  notices.show(state("connecting", silent));
  expect(told).toEqual([
    "ready: Online at wss://gw/tunnel, 0 tunnels",
    "Online at wss://gw/tunnel, 1 tunnel",
    "Dialing again: The gateway was silent for 42 s",
  ]);
});

test("AgentNotices is ready when the first attempt has failed", () => {
  const { told, manager } = listManager();
  new AgentNotices(manager).show(state("connecting", silent));
  expect(told)
    .toEqual(["ready: Dialing again: The gateway was silent for 42 s"]);
});

test("AgentNotices is ready while it waits for a configuration", () => {
  const { told, manager } = listManager();
  new AgentNotices(manager).waiting(silent);
  expect(told).toEqual(["ready: Waiting: The gateway was silent for 42 s"]);
});

test("AgentNotices says that it reloads, and that it has when it has a link", () => {
  const { told, manager } = listManager();
  const notices = new AgentNotices(manager);
  notices.show(state("online"));
  notices.reloading();
  notices.show(state("online", undefined, 2));
  notices.stopping();
  notices.show(state("stopped"));
  expect(told.slice(1)).toEqual([
    "reloading",
    "ready: Online at wss://gw/tunnel, 2 tunnels",
    "stopping",
  ]);
});

test("AgentNotices feeds the watchdog only while the loop makes progress", async () => {
  const clock = new ManualClock();
  const { told, manager } = listManager(3_000);
  const stop = new AbortController();
  const progress = new Progress(clock, 4_000);
  const feeding = new AgentNotices(manager).feed(progress, clock, stop.signal);
  await clock.advance(9_000);
  expect(told).toEqual(["feed", "feed", "feed", "feed"]);
  await clock.advance(9_000);
  expect(told).toHaveLength(4);
  progress.step(4_000);
  await clock.advance(3_000);
  expect(told).toHaveLength(5);
  stop.abort(new Error("Stop"));
  expect(String(await rejection(feeding))).toContain("Stop");
});

test("AgentNotices feeds nobody who does not watch", async () => {
  const clock = new ManualClock();
  const { told, manager } = listManager();
  const never = new AbortController().signal;
  const progress = new Progress(clock, 0);
  await new AgentNotices(manager).feed(progress, clock, never);
  expect(told).toEqual([]);
});
