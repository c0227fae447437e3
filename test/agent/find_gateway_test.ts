import { expect, test } from "bun:test";
import {
  findGateway,
  type FindGatewayRequest,
} from "../../src/agent/find_gateway.ts";
import type { Clock } from "../../src/base/clock.ts";
import { Fault } from "../../src/protocol/fault.ts";
import type { JsonAnswer, PostJson } from "../../src/transport/post_json.ts";
import { rejection } from "../support/rejection.ts";

const REQUEST: FindGatewayRequest = {
  manager: "https://mf.example.org",
  deviceId: 7,
  name: "aula-12",
  services: ["ssh", "vnc"],
  hasCertificate: true,
  mayBePlain: false,
};

/** A clock on which no wait ends until it is aborted. */
const stoppedClock: Clock = {
  now: () => 0,
  wallNow: () => 0,
  sleep: (_ms, signal) =>
    new Promise((_resolve, reject) => {
      signal.addEventListener("abort", () => reject(signal.reason));
    }),
};

const running = new AbortController().signal;

function ask(
  answer: Partial<JsonAnswer>,
  request: FindGatewayRequest = REQUEST,
): Promise<string> {
  const whole = {
    status: 200,
    retryAfterMs: undefined,
    dateMs: undefined,
    body: undefined,
  };
  const postJson = () => Promise.resolve({ ...whole, ...answer });
  return findGateway(request, { clock: stoppedClock, postJson }, running);
}

async function refused(answer: Partial<JsonAnswer>) {
  const fault = Fault.from(await rejection(ask(answer)));
  return [fault.code, fault.message, fault.retryAfterMs];
}

test("findGateway() asks as migasfree's manager expects, and goes by the answer", async () => {
  const asked: unknown[] = [];
  const postJson: PostJson = (url, body) => {
    asked.push(url, body);
    const answer = { relay: "wss://mf.example.org/tunnel", more: 1 };
    return Promise.resolve({
      status: 200,
      retryAfterMs: undefined,
      dateMs: undefined,
      body: answer,
    });
  };
  const ports = { clock: stoppedClock, postJson };
  expect(await findGateway(REQUEST, ports, running))
    .toBe("wss://mf.example.org/tunnel");
  expect(asked).toEqual([
    "https://mf.example.org/manager/v1/private/tunnel/register",
    { id: 7, name: "aula-12", services: ["ssh", "vnc"] },
  ]);
});

test("findGateway() refuses an answer that names no gateway", async () => {
  const bodies = [
    ...[undefined, null, 7, "wss://mf/tunnel", [], {}, { relay: 7 }],
    ...[{ relay: "" }, { relay: "ws://mf/tunnel" }, { relay: "https://mf" }],
    ...[{ relay: "wss://mf/other" }, { relay: "wss://u:p@mf/tunnel" }],
  ];
  const found = [];
  for (const body of bodies) found.push(await refused({ body }));
  expect(found).toEqual(bodies.map(() => [
    "messageInvalid",
    "Cannot register with manager mf.example.org: its answer names no gateway",
    undefined,
  ]));
});

test("findGateway() takes a plain gateway only where it may be plain", async () => {
  const body = { relay: "ws://mf/tunnel" };
  expect(await ask({ body }, { ...REQUEST, mayBePlain: true }))
    .toBe("ws://mf/tunnel");
});

test("findGateway() puts each refusal into its own lane", async () => {
  const start = "Cannot register with manager mf.example.org: ";
  const detail = "Forbidden: Invalid Client Certificate";
  const found = [
    await refused({ status: 403, body: { detail } }),
    await refused({ status: 401 }),
    await refused({ status: 422, body: { detail: [{ loc: ["body"] }] } }),
    await refused({ status: 429, retryAfterMs: 9_000 }),
    await refused({ status: 503, retryAfterMs: 2_000 }),
    await refused({ status: 404 }),
    await refused({ status: 302 }),
    await refused({ status: 201, body: { relay: "wss://mf/tunnel" } }),
  ];
  const unknown = `${start}it does not know this request`;
  const certificate = `${start}it refuses this computer's certificate`;
  expect(found).toEqual([
    ["roleRefused", `${certificate} (403: ${detail})`, undefined],
    ["roleRefused", `${certificate} (401)`, undefined],
    [
      "versionUnsupported",
      `${start}it does not understand us (422)`,
      undefined,
    ],
    ["quotaExceeded", `${start}it is asked too often (429)`, 9_000],
    ["gatewayRefused", `${start}it is out of order (503)`, 2_000],
    ["gatewayRefused", `${unknown} (404)`, undefined],
    ["gatewayRefused", `${unknown} (302)`, undefined],
    ["gatewayRefused", `${unknown} (201)`, undefined],
  ]);
});

test("findGateway() says that a certificate is missing where it has none", async () => {
  const request = { ...REQUEST, hasCertificate: false };
  const faults = [];
  for (const status of [401, 403, 503]) {
    const fault = Fault.from(await rejection(ask({ status }, request)));
    faults.push([fault.code, fault.message]);
  }
  const start = "Cannot register with manager mf.example.org: ";
  const missing = `${start}it lets no computer in without a certificate`;
  expect(faults).toEqual([
    ["certificateMissing", `${missing} (401)`],
    ["certificateMissing", `${missing} (403)`],
    ["gatewayRefused", `${start}it is out of order (503)`],
  ]);
});

test("findGateway() shows what the manager says as harmless, bounded text", async () => {
  const body = { detail: `\u001b[2J${"a".repeat(500)}` };
  const [, message] = await refused({ status: 403, body });
  expect(message).toBe(
    "Cannot register with manager mf.example.org: it refuses this " +
      `computer's certificate (403: ?[2J${"a".repeat(195)}…)`,
  );
});

test("findGateway() passes on why there was no answer", async () => {
  const fault = new Fault("gatewayUnresolved", "Cannot reach mf");
  const ports = { clock: stoppedClock, postJson: () => Promise.reject(fault) };
  expect(await rejection(findGateway(REQUEST, ports, running))).toBe(fault);
});

test("findGateway() gives the manager five seconds, and then lets go", async () => {
  const sleptMs: number[] = [];
  const clock = {
    ...stoppedClock,
    sleep: (ms: number) => Promise.resolve(void sleptMs.push(ms)),
  };
  let wasCancelled = false;
  const postJson: PostJson = (_url, _body, signal) =>
    new Promise(() => {
      signal.addEventListener("abort", () => wasCancelled = true);
    });
  const waiting = findGateway(REQUEST, { clock, postJson }, running);
  const fault = Fault.from(await rejection(waiting));
  expect([fault.code, fault.message, sleptMs, wasCancelled]).toEqual([
    "gatewayUnreachable",
    "Cannot register with manager mf.example.org: no answer in 5 s",
    [5_000],
    true,
  ]);
});

test("findGateway() stops at once when it is told to", async () => {
  const stop = new AbortController();
  const reason = new Error("Agent is stopping");
  const postJson: PostJson = () => new Promise(() => undefined);
  const ports = { clock: stoppedClock, postJson };
  const waiting = findGateway(REQUEST, ports, stop.signal);
  const startMs = performance.now();
  stop.abort(reason);
  expect(await rejection(waiting)).toBe(reason);
  expect(performance.now() - startMs).toBeLessThan(1_000);
});
