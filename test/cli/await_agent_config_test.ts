import { expect, test } from "bun:test";
import { agentConfig } from "../../src/agent/config.ts";
import { agentConfigSchema } from "../../src/agent/config_schema.ts";
import type { CompleteAgentConfig } from "../../src/cli/agent_config.ts";
import { awaitAgentConfig } from "../../src/cli/await_agent_config.ts";
import { Fault } from "../../src/protocol/fault.ts";
import { ListLog } from "../support/list_log.ts";
import { ManualClock, settle } from "../support/manual_clock.ts";
import { rejection } from "../support/rejection.ts";

const running = new AbortController().signal;
const MINUTE_MS = 60_000;

function complete(): CompleteAgentConfig {
  const conf = {
    manager: "https://mf",
    name: "aula-7",
    caFile: "/var/mtls/ca.pem",
    certFile: "/var/mtls/cert.pem",
    keyFile: "/var/mtls/key.pem",
    warnings: ["something is odd"],
  };
  const found = { deviceId: 7, conf };
  const config = agentConfig(agentConfigSchema.parse({}), { name: "" }, found);
  if (!config) throw new Error("Something is missing");
  return { config, found, fault: undefined };
}

function unregistered(status = 1): Fault {
  return new Fault("configInvalid", `\`info id\` ended with ${status}`);
}

/** Answers, one after the other, what completing comes to; then success. */
function world(answers: Fault[], random = 0.5) {
  const clock = new ManualClock();
  const log = new ListLog();
  const told: string[] = [];
  const askedMs: number[] = [];
  let woken = Promise.withResolvers<void>();
  return {
    clock,
    log,
    told,
    askedMs,
    wake: () => {
      woken.resolve();
      woken = Promise.withResolvers();
    },
    run: (signal = running) =>
      awaitAgentConfig({
        clock,
        log,
        random: () => random,
        complete: () => {
          askedMs.push(clock.now());
          const answer = answers.shift();
          return answer ? Promise.reject(answer) : Promise.resolve(complete());
        },
        waiting: (fault) => Promise.resolve(void told.push(fault.message)),
        woken: () => woken.promise,
      }, signal),
  };
}

const DISCOVERED = "config.discovered " + JSON.stringify({
  device: 7,
  name: "aula-7",
  where: "https://mf",
  ca: "/var/mtls/ca.pem",
});
const WARNING = 'config.warning {"warning":"something is odd"}';

test("awaitAgentConfig() says what migasfree told", async () => {
  const { askedMs, log, run, told } = world([]);
  expect((await run()).deviceId).toBe(7);
  expect(log.lines).toEqual([WARNING, DISCOVERED]);
  expect([askedMs, told]).toEqual([[0], []]);
});

test("awaitAgentConfig() says nothing where nobody was asked", async () => {
  const { clock, log } = world([]);
  const { config } = complete();
  const ports = {
    clock,
    log,
    random: Math.random,
    complete: () =>
      Promise.resolve({ config, found: undefined, fault: undefined }),
    waiting: () => Promise.resolve(),
    woken: () => Promise.resolve(),
  };
  expect(await awaitAgentConfig(ports, running)).toBe(config);
  expect(log.lines).toEqual([]);
});

test("awaitAgentConfig() says why it goes on without migasfree", async () => {
  const { clock, log } = world([]);
  const { config } = complete();
  const fault = unregistered();
  const ports = {
    clock,
    log,
    random: Math.random,
    complete: () => Promise.resolve({ config, found: undefined, fault }),
    waiting: () => Promise.resolve(),
    woken: () => Promise.resolve(),
  };
  await awaitAgentConfig(ports, running);
  expect(log.lines).toEqual([
    'config.warning {"warning":"going on without what migasfree knows"} ' +
    "configInvalid: `info id` ended with 1",
  ]);
});

test("awaitAgentConfig() asks again in minutes, and says each reason once", async () => {
  const reasons = [1, 1, 1, 2, 2, 1].map(unregistered);
  const { askedMs, clock, log, run, told } = world(reasons);
  const waiting = run();
  await clock.advance(6 * 2 * MINUTE_MS);
  expect((await waiting).deviceId).toBe(7);
  expect(askedMs).toEqual([0, 2, 4, 6, 8, 10, 12].map((it) => it * MINUTE_MS));
  const line = (status: number) =>
    `config.incomplete {"waitMs":120000} ` +
    `configInvalid: \`info id\` ended with ${status}`;
  expect(log.lines).toEqual([line(1), line(2), line(1), WARNING, DISCOVERED]);
  expect(told).toHaveLength(6);
  expect(clock.sleeperCount).toBe(0);
});

test("awaitAgentConfig() spreads its questions over one to three minutes", async () => {
  for (const [random, waitMs] of [[0, 60_000], [0.9999999, 180_000]] as const) {
    const { clock, run } = world([unregistered()], random);
    const waiting = run();
    await clock.advance(waitMs);
    await waiting;
    expect(clock.sleptMs).toEqual([waitMs]);
  }
});

test("awaitAgentConfig() asks at once when somebody wakes it", async () => {
  const { askedMs, clock, run, wake } = world([unregistered()]);
  const waiting = run();
  await settle();
  wake();
  await waiting;
  expect([askedMs, clock.sleeperCount]).toEqual([[0, 0], 0]);
});

test("awaitAgentConfig() hears whoever wakes it while it asks", async () => {
  const { askedMs, log, run, wake } = world([unregistered()]);
  const waiting = run();
  // No turn of the event loop has passed: its question is under way.
  expect(log.lines).toEqual([]);
  wake();
  await waiting;
  expect(askedMs).toEqual([0, 0]);
});

test("awaitAgentConfig() gives up at once where migasfree is not installed", async () => {
  const missing = new Fault("programMissing", "Cannot run", {
    hint: "Install",
  });
  const { log, run } = world([missing]);
  const { code, message, hint } = Fault.from(await rejection(run()));
  expect([code, message, hint]).toEqual([
    "configInvalid",
    "Cannot run",
    "Install",
  ]);
  expect(log.lines).toEqual([]);
});

test("awaitAgentConfig() waits when migasfree goes for a while, to be upgraded", async () => {
  const missing = new Fault("programMissing", "Cannot run");
  const { clock, log, run } = world([unregistered(), missing]);
  const waiting = run();
  await clock.advance(4 * MINUTE_MS);
  expect((await waiting).deviceId).toBe(7);
  expect(log.lines[1]).toBe(
    'config.incomplete {"waitMs":120000} programMissing: Cannot run',
  );
});

test("awaitAgentConfig() stops at once when it is told to", async () => {
  const { clock, run } = world([unregistered()]);
  const stop = new AbortController();
  const reason = new Error("Agent is stopping");
  const waiting = run(stop.signal);
  await settle();
  expect(clock.sleeperCount).toBe(1);
  stop.abort(reason);
  expect(await rejection(waiting)).toBe(reason);
  expect(clock.sleeperCount).toBe(0);
});
