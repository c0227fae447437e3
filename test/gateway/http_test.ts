import { expect, test } from "bun:test";
import { createHttpApp } from "../../src/gateway/http.ts";
import type { StoredDevice } from "../../src/policy/device_store.ts";
import { Fault } from "../../src/protocol/fault.ts";

const DEVICES: readonly StoredDevice[] = [
  device(2, "Aula-7", ["ssh", "vnc"]),
  device(7, "aula-7", ["ssh"]),
  device(30, "despacho", []),
];

const ONLINE = new Set([7]);

function device(
  deviceId: number,
  name: string,
  services: string[],
): StoredDevice {
  const seenAtMs = Date.UTC(2026, 0, deviceId);
  return { deviceId, name, services, subject: "CN=x", boundAtMs: 0, seenAtMs };
}

const store = {
  find: (id: number) => DEVICES.find(({ deviceId }) => deviceId === id),
  findByName: (name: string) =>
    DEVICES.filter((one) => one.name.toLowerCase() === name.toLowerCase()),
  list: ({ limit, after }: { limit: number; after: number }) =>
    DEVICES.filter(({ deviceId }) => deviceId > after).slice(0, limit),
};

/** Nothing here asks for these: manager_pages_test.ts does, and e2e. */
const unasked = {} as never;

/** Asks a gateway that is fine, but for `changed`. */
function makeApp(
  changed: Partial<Parameters<typeof createHttpApp>[0]> = {},
) {
  const failures: unknown[] = [];
  const app = createHttpApp({
    store,
    online: (ids) => new Set(ids.filter((id) => ONLINE.has(id))),
    state: () => ({ draining: false, agents: 1 }),
    onFailure: (error) => failures.push(error),
    ...changed,
  });
  const ask = async (
    path: string,
    admit: () => unknown = () => undefined,
    method = "GET",
  ) =>
    await app.fetch(
      new Request(`https://gw.test${path}`, { method }),
      { admit, caller: unasked, manager: unasked },
    );
  return { ask, failures };
}

async function idsOf(response: Response): Promise<number[]> {
  const rows = await response.json() as { id: number }[];
  return rows.map(({ id }) => id);
}

test("GET /tunnel/health answers OK as long as the process lives", async () => {
  const { ask } = makeApp({
    state: () => {
      throw new Error("Nobody needs the state");
    },
  });
  const response = await ask("/tunnel/health");
  expect(response.status).toBe(200);
  expect(Object.fromEntries(response.headers)).toEqual({
    "cache-control": "no-store",
    "content-type": "text/plain; charset=utf-8",
    "x-content-type-options": "nosniff",
  });
  expect(await response.text()).toBe("OK\n");
});

test("GET /tunnel/ready says 503 while the gateway drains", async () => {
  const ready = await makeApp().ask("/tunnel/ready");
  expect(ready.status).toBe(200);
  expect(await ready.json()).toEqual({
    ...{ ready: true, agents: 1, draining: false },
  });
  const draining = await makeApp({
    state: () => ({ draining: true, agents: 4 }),
  }).ask("/tunnel/ready");
  expect(draining.status).toBe(503);
  expect(await draining.json()).toEqual({
    ...{ ready: false, agents: 4, draining: true },
  });
});

test("GET /tunnel/devices lists the bound devices by id, offline ones too", async () => {
  const response = await makeApp().ask("/tunnel/devices");
  expect(response.status).toBe(200);
  expect(Object.fromEntries(response.headers)).toEqual({
    "cache-control": "no-store",
    "content-type": "application/json",
    "x-content-type-options": "nosniff",
  });
  expect(await response.json()).toEqual([
    {
      ...{ id: 2, name: "Aula-7", services: ["ssh", "vnc"], online: false },
      exec: false,
      seen_at: "2026-01-02T00:00:00.000Z",
    },
    {
      ...{ id: 7, name: "aula-7", services: ["ssh"], online: true },
      exec: false,
      seen_at: "2026-01-07T00:00:00.000Z",
    },
    {
      ...{ id: 30, name: "despacho", services: [], online: false },
      exec: false,
      seen_at: "2026-01-30T00:00:00.000Z",
    },
  ]);
});

test("GET /tunnel/devices picks by name, by id, and page by page", async () => {
  const { ask } = makeApp();
  const found: Record<string, number[]> = {};
  for (
    const query of [
      ...["name=AULA-7", "name=aula", "id=7", "id=8", "id=2&name=aula-7"],
      ...["id=30&name=aula-7", "limit=2", "limit=2&after=2", "after=30"],
      ...["name=aula-7&after=2", "name=aula-7&limit=1", "unknown=1&id=2"],
    ]
  ) {
    found[query] = await idsOf(await ask(`/tunnel/devices?${query}`));
  }
  expect(found).toEqual({
    "name=AULA-7": [2, 7],
    "name=aula": [],
    "id=7": [7],
    "id=8": [],
    "id=2&name=aula-7": [2],
    "id=30&name=aula-7": [],
    "limit=2": [2, 7],
    "limit=2&after=2": [7, 30],
    "after=30": [],
    "name=aula-7&after=2": [7],
    "name=aula-7&limit=1": [2],
    "unknown=1&id=2": [2],
  });
});

test("GET /tunnel/devices refuses what is no query of its own", async () => {
  const { ask } = makeApp();
  const wrong = [
    ...["limit=0", "limit=10001", "limit=-1", "limit=1e3", "limit=", "id=0"],
    ...["id=2147483648", "id=x", "id=1.5", "after=-1", "name="],
    ...["after=99999999999", `name=${"x".repeat(129)}`],
  ];
  for (const query of wrong) {
    const response = await ask(`/tunnel/devices?${query}`);
    const key = query.slice(0, query.indexOf("="));
    expect([query, response.status, await response.json()]).toEqual([
      query,
      400,
      {
        code: "messageInvalid",
        message: `Cannot list devices: "${key}" is not what it should be`,
        hint: "Give id, name, after, or limit (1 to 10000)",
      },
    ]);
  }
});

test("GET /tunnel/devices asks for no more than a page unless it is told", async () => {
  const asked: unknown[] = [];
  const { ask } = makeApp({
    store: {
      ...store,
      list: (page) => {
        asked.push(page);
        return [];
      },
    },
  });
  await ask("/tunnel/devices");
  await ask("/tunnel/devices?limit=10000&after=5");
  expect(asked).toEqual([
    { limit: 10_000, after: 0 },
    { limit: 10_000, after: 5 },
  ]);
});

test("GET /tunnel/devices shows a hostile name as harmless text", async () => {
  const hostile = device(9, '<b>\u001b[31m\u202e\u009b"', []);
  const { ask } = makeApp({ store: { ...store, list: () => [hostile] } });
  const body = await (await ask("/tunnel/devices")).text();
  expect(body).toContain('"name":"<b>?[31m??\\""');
});

test("GET /tunnel/devices tells a caller who is refused why, and nothing else", async () => {
  const { ask, failures } = makeApp();
  const missing = new Fault("certificateMissing", "Cannot enter without", {
    hint: "Show a certificate",
  });
  const response = await ask("/tunnel/devices?limit=bad", () => {
    throw missing;
  });
  expect(response.status).toBe(401);
  expect(await response.json()).toEqual({
    code: "certificateMissing",
    message: "Cannot enter without",
    hint: "Show a certificate",
  });
  const wrongRole = await ask("/tunnel/devices", () => {
    throw new Fault("roleRefused", "Cannot enter as operator");
  });
  expect(wrongRole.status).toBe(403);
  expect(await wrongRole.json()).toEqual({
    code: "roleRefused",
    message: "Cannot enter as operator",
  });
  expect(failures).toEqual([]);
});

test("an answer says when to come back, in whole seconds", async () => {
  const response = await makeApp().ask("/tunnel/devices", () => {
    throw new Fault("quotaExceeded", "Too many", { retryAfterMs: 1_001 });
  });
  expect(response.status).toBe(429);
  expect(response.headers.get("retry-after")).toBe("2");
});

test("a bug reaches onFailure, and the caller learns nothing of it", async () => {
  const bug = new TypeError("secret of the house");
  const stuck = new Fault("internal", "Cannot read device store /secret");
  for (const error of [bug, stuck]) {
    const { ask, failures } = makeApp({
      store: {
        ...store,
        list: () => {
          throw error;
        },
      },
    });
    const response = await ask("/tunnel/devices");
    expect(response.status).toBe(500);
    expect(response.headers.get("x-content-type-options")).toBe("nosniff");
    expect(await response.json()).toEqual({
      code: "internal",
      message: "Internal error",
      hint: "Look at the gateway's log",
    });
    expect(failures).toEqual([error]);
  }
});

test("GET of a link's path without a handshake answers 426 and how to upgrade", async () => {
  for (const path of ["/tunnel", "/tunnel/connect", "/tunnel/stream"]) {
    const response = await makeApp().ask(path);
    expect(response.status).toBe(426);
    expect(response.headers.get("upgrade")).toBe("websocket");
    expect(response.headers.get("connection")).toBe("upgrade");
    expect(await response.json()).toEqual({
      code: "messageUnexpected",
      message: "Cannot open a link without a WebSocket handshake",
      hint: "Use migasfree-agent, or any WebSocket client",
    });
  }
});

test("anything else is not there, in JSON, and asks nobody who it is", async () => {
  const { ask } = makeApp();
  const paths = [
    "/",
    "/tunnel/",
    "/tunnel/metrics",
    "/tunnel/../etc",
    "/x?y=1",
  ];
  for (const path of paths) {
    const response = await ask(path, () => {
      throw new Error("Nobody may be asked");
    });
    expect([path, response.status]).toEqual([path, 404]);
    expect(response.headers.get("cache-control")).toBe("no-store");
    expect(await response.json()).toEqual({
      code: "gatewayRefused",
      message: "There is nothing at this path",
      hint: "Links begin at /tunnel, the list is at /tunnel/devices",
    });
  }
  const posted = await ask("/tunnel/devices", undefined, "POST");
  expect(posted.status).toBe(404);
});
