import { expect, test } from "bun:test";
import { createMetricsApp } from "../../src/gateway/http.ts";

function makeApp(metrics: () => string) {
  const failures: unknown[] = [];
  const app = createMetricsApp({
    metrics,
    state: () => ({ draining: false, agents: 2 }),
    onFailure: (error) => failures.push(error),
  });
  const ask = async (path: string) =>
    await app.fetch(new Request(`http://127.0.0.1${path}`));
  return { ask, failures };
}

test("GET /tunnel/metrics is the page, in the type that Prometheus asks for", async () => {
  const response = await makeApp(() => "a 1\n").ask("/tunnel/metrics");
  expect(response.status).toBe(200);
  expect(Object.fromEntries(response.headers)).toEqual({
    "cache-control": "no-store",
    "content-type": "text/plain; version=0.0.4; charset=utf-8",
    "x-content-type-options": "nosniff",
  });
  expect(await response.text()).toBe("a 1\n");
});

test("the metrics address answers health and readiness, and no operator", async () => {
  const { ask } = makeApp(() => "");
  const statuses: Record<string, number> = {};
  for (
    const path of ["/tunnel/health", "/tunnel/ready", "/tunnel/devices", "/"]
  ) {
    statuses[path] = (await ask(path)).status;
  }
  expect(statuses).toEqual({
    "/tunnel/health": 200,
    "/tunnel/ready": 200,
    "/tunnel/devices": 404,
    "/": 404,
  });
});

test("a page that cannot be made reaches onFailure", async () => {
  const bug = new RangeError("no number");
  const { ask, failures } = makeApp(() => {
    throw bug;
  });
  expect((await ask("/tunnel/metrics")).status).toBe(500);
  expect(failures).toEqual([bug]);
});
