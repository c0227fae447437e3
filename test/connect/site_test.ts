import { expect, test } from "bun:test";
import { findDevice, listDevices } from "../../src/connect/devices.ts";
import { isOldSite } from "../../src/connect/site.ts";
import { Fault } from "../../src/protocol/fault.ts";
import { rejection } from "../support/rejection.ts";
import { V1Bench } from "./v1_bench.ts";

const never = new AbortController().signal;

function agent(id: number, more: object = {}) {
  const relay = "wss://mf.test/tunnel";
  const name = `pc${id} [CID-${id}]`;
  return { id, name, services: ["ssh"], mode: "tcp_tunnel", relay, ...more };
}

function pageOf(agents: unknown[], total: number) {
  return { agents, total, page: 1, limit: 500 };
}

test("item 55: all agents are found, page by page, and none twice", async () => {
  const bench = new V1Bench();
  const all = Array.from({ length: 1_100 }, (_, i) => agent(i + 1)).reverse();
  bench.page("?page=1&limit=500", pageOf(all.slice(0, 500), 1_100));
  // The list has moved meanwhile: what was on the first page comes again.
  bench.page("?page=2&limit=500", pageOf(all.slice(450, 950), 1_100));
  bench.page("?page=3&limit=500", pageOf(all.slice(950), 1_100));
  const devices = await listDevices(bench.ports, never);
  expect(devices.map(({ id }) => id))
    .toEqual(Array.from({ length: 1_100 }, (_, i) => i + 1));
  expect(devices[0]).toEqual({
    id: 1,
    name: "pc1",
    services: ["ssh"],
    exec: true,
    online: true,
  });
  expect(bench.asked[0])
    .toBe("https://mf.test:8443/tunnel/devices?limit=500&after=0");
});

test("item 55: a manager that takes no long page is asked for a shorter one", async () => {
  const bench = new V1Bench();
  bench.page("?page=1&limit=500", { detail: "too many" }, 422);
  bench.page("?page=1&limit=100", pageOf([agent(7)], 1));
  const devices = await listDevices(bench.ports, never);
  expect(devices.map(({ id }) => id)).toEqual([7]);
});

test("item 55: an agent is asked for by its id, not searched in a list", async () => {
  const bench = new V1Bench();
  bench.page("/7", agent(7));
  const device = await findDevice("CID-7", bench.ports, never);
  expect(device.id).toBe(7);
  expect(bench.asked).toEqual([
    "https://mf.test:8443/tunnel/devices?id=7",
    "https://mf.test:8443/manager/v1/private/tunnel/agents/7",
  ]);
});

test("item 55: a name is compared without the id that upstream writes behind it", async () => {
  const bench = new V1Bench();
  bench.page("?page=1&limit=500", pageOf([agent(7), agent(8)], 2));
  expect((await findDevice("pc8", bench.ports, never)).id).toBe(8);
});

test("one agent that cannot be read does not hide the others", async () => {
  const bench = new V1Bench();
  const odd: unknown[] = [
    { id: "x" },
    null,
    agent(9, { services: "?", name: 5 }),
  ];
  bench.page("?page=1&limit=500", pageOf([...odd, agent(7)], 4));
  bench.page("?page=2&limit=500", pageOf([], 4));
  const devices = await listDevices(bench.ports, never);
  expect(devices.map(({ id, services }) => [id, services]))
    .toEqual([[7, ["ssh"]], [9, []]]);
});

test("a list whose total is never reached ends when nothing new comes", async () => {
  const bench = new V1Bench();
  for (const page of [1, 2, 3]) {
    bench.page(`?page=${page}&limit=500`, pageOf([agent(7)], 5_000));
  }
  expect((await listDevices(bench.ports, never)).map(({ id }) => id))
    .toEqual([7]);
});

test("item 64: what a proxy answers is explained, and nobody else is asked", async () => {
  const codes: [number, string, RegExp][] = [
    [403, "roleRefused", /OU=ADMINS/],
    [429, "quotaExceeded", /RATE_LIMIT/],
    [503, "gatewayRefused", /NETWORK_MNG/],
  ];
  for (const [status, code, hint] of codes) {
    const bench = new V1Bench();
    bench.site.isOld = true;
    bench.page("/7", "<html>", status);
    const fault = await rejection(findDevice("7", bench.ports, never));
    expect(fault).toBeInstanceOf(Fault);
    expect((fault as Fault).code).toBe(code as Fault["code"]);
    expect((fault as Fault).hint).toMatch(hint);
  }
});

test("isOldSite() takes no refusal of ours, or of a proxy, for an old site", () => {
  const answer = (status: number, body?: unknown) => ({
    status,
    body,
    retryAfterMs: undefined,
    dateMs: undefined,
  });
  const fault = { code: "roleRefused", message: "no" };
  expect([
    isOldSite(answer(426)),
    isOldSite(answer(404, { detail: "Not Found" })),
    isOldSite(answer(200, [])),
    isOldSite(answer(403)),
    isOldSite(answer(429)),
    isOldSite(answer(503)),
    isOldSite(answer(426, fault)),
  ]).toEqual([true, true, false, false, false, false, false]);
});

test("an agent that the manager does not know is an offline device", async () => {
  const bench = new V1Bench();
  bench.page("/9", { detail: "Agent 9 not found" }, 404);
  const fault = await rejection(findDevice("9", bench.ports, never));
  expect((fault as Fault).code).toBe("deviceUnknown");
});
