import { expect, test } from "bun:test";
import { abortListenerCount } from "../support/leak_check.ts";
import { settle } from "../support/manual_clock.ts";
import {
  callerOf,
  INSTANCE,
  ResumeBench,
  TUNNEL,
  until,
} from "./resume_bench.ts";
import type { TunnelEnd } from "./relay_bench.ts";

const OTHER_INSTANCE = INSTANCE.replace("f", "0");

function joinedOf(end: TunnelEnd): unknown {
  return JSON.parse(String(end.heard[0]));
}

async function expectEnd(end: TunnelEnd, code: number): Promise<void> {
  await until(() => end.end !== undefined);
  expect(end.end?.code).toBe(code);
}

/** Both ends have come back, the agent's first. */
async function joinedBench() {
  const bench = await ResumeBench.create();
  const agent = await bench.dial("agent");
  const operator = await bench.dial("operator");
  await until(() => agent.heard.length > 0 && operator.heard.length > 0);
  return { bench, agent, operator };
}

test("serveResume() joins two ends with new tokens, and forwards as before", async () => {
  const { bench, agent, operator } = await joinedBench();
  for (const end of [agent, operator]) {
    expect(joinedOf(end)).toMatchObject({
      type: "joined",
      tunnel: TUNNEL,
      resume_token: expect.stringContaining("."),
      detach_ms: 60_000,
    });
  }
  expect(joinedOf(agent)).not.toEqual(joinedOf(operator));
  agent.own.send('{"type":"resume","offset":0}');
  operator.own.send(new Uint8Array(3));
  await settle();
  expect(operator.heard.slice(1)).toEqual(['{"type":"resume","offset":0}']);
  expect(agent.heard.slice(1)).toEqual([new Uint8Array(3)]);
  expect(bench.records).toMatchObject([{
    event: "tunnel.resumed",
    tunnelId: TUNNEL,
  }]);
  expect(bench.log.lines.join()).not.toContain(await bench.issue("agent"));
  expect(bench.clock.sleeperCount).toBe(0);
});

test("serveResume() tells the detach time of the first joined, within its ceiling", async () => {
  for (const [askedMs, toldMs] of [[90_000, 90_000], [900_000, 600_000]]) {
    const bench = await ResumeBench.create();
    const claims = { "detach_ms": askedMs };
    const agent = await bench.dial("agent", await bench.issue("agent", claims));
    const token = await bench.issue("operator", claims);
    const operator = await bench.dial("operator", token);
    await until(() => agent.heard.length > 0 && operator.heard.length > 0);
    expect([agent, operator].map(joinedOf)).toMatchObject([
      { detach_ms: toldMs },
      { detach_ms: toldMs },
    ]);
  }
});

test("serveResume() says goodbye to who comes back to a tunnel that has finished", async () => {
  const { bench, agent, operator } = await joinedBench();
  agent.own.close(1000, "");
  await expectEnd(operator, 1000);
  await settle();
  const late = await bench.dial("operator");
  await expectEnd(late, 1000);
  expect(bench.meetings.waitingCount).toBe(0);
  expect(abortListenerCount(bench.stop.signal)).toBe(0);
});

test("serveResume() cuts what it relays when an end comes back over a new link", async () => {
  const { bench, agent, operator } = await joinedBench();
  const newer = await bench.dial("operator");
  await expectEnd(agent, 4003);
  await expectEnd(operator, 4003);
  expect(newer.end).toBeUndefined();
  const agentAgain = await bench.dial("agent");
  await until(() => agentAgain.heard.length > 0 && newer.heard.length > 0);
});

test("serveResume() refuses a token of another subject, another role, or of nobody", async () => {
  const bench = await ResumeBench.create();
  const ours = await bench.issue("agent");
  const shown = [
    [ours, callerOf("agent", "/O=mf.test/OU=COMPUTERS/CN=4c4c_8")],
    [ours, callerOf("operator")],
    [
      await bench.issue("operator", {
        subject: callerOf("agent").principal.subject,
      }),
      callerOf("agent"),
    ],
    ["", callerOf("agent")],
    [`${ours}x`, callerOf("agent")],
  ] as const;
  for (const [token, caller] of shown) {
    await expectEnd(await bench.dial("agent", token, caller), 4412);
  }
  expect(bench.meetings.waitingCount).toBe(0);
});

test("serveResume() tells an end that the agent was started anew, at once and while it waits", async () => {
  const bench = await ResumeBench.create();
  const waiting = await bench.dial("operator");
  bench.attach(INSTANCE);
  bench.attach(undefined);
  await settle();
  expect(waiting.end).toBeUndefined();
  bench.attach(OTHER_INSTANCE);
  await expectEnd(waiting, 4000);
  await expectEnd(await bench.dial("operator"), 4000);
  // One whose agent does not say waits as if nothing were known.
  const token = await bench.issue("operator", { instance: undefined });
  expect((await bench.dial("operator", token)).end).toBeUndefined();
  expect(bench.meetings.waitingCount).toBe(1);
});

test("serveResume() closes an end that speaks before the other has come", async () => {
  const bench = await ResumeBench.create();
  for (const message of [new Uint8Array(1), '{"type":"resume","offset":0}']) {
    const end = await bench.dial("agent");
    end.own.send(message);
    await expectEnd(end, 4409);
  }
  expect([bench.meetings.waitingCount, bench.clock.sleeperCount]).toEqual([
    0,
    0,
  ]);
});

test("serveResume() lets an end wait for 2 s", async () => {
  const bench = await ResumeBench.create();
  const end = await bench.dial("agent");
  await bench.clock.advance(1_999);
  expect(end.end).toBeUndefined();
  await bench.clock.advance(1);
  await expectEnd(end, 4418);
  expect([bench.meetings.waitingCount, bench.clock.sleeperCount]).toEqual([
    0,
    0,
  ]);
});

test("serveResume() forgets an end that leaves, or when the gateway stops", async () => {
  const bench = await ResumeBench.create();
  const left = await bench.dial("agent");
  left.own.close(4004, "");
  await until(() => bench.meetings.waitingCount === 0);
  const end = await bench.dial("agent");
  bench.stop.abort();
  await until(() => end.end !== undefined);
  expect([bench.meetings.waitingCount, bench.clock.sleeperCount]).toEqual([
    0,
    0,
  ]);
});

test("serveResume() closes the older of two links of one end", async () => {
  const bench = await ResumeBench.create();
  const older = await bench.dial("agent");
  const newer = await bench.dial("agent");
  await expectEnd(older, 4001);
  await bench.dial("operator");
  await until(() => newer.heard.length > 0);
  expect(bench.clock.sleeperCount).toBe(0);
});
