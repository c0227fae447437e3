import { expect, test } from "bun:test";
import {
  type ManagerCaller,
  managerPages,
} from "../../src/gateway/manager_pages.ts";
import type { StoredDevice } from "../../src/policy/device_store.ts";
import { Fault } from "../../src/protocol/fault.ts";

const RELAY = "wss://gw.test:8443/tunnel";

function device(deviceId: number, name: string): StoredDevice {
  const subject = "CN=x,OU=COMPUTERS";
  const services = ["ssh", "exec"];
  return {
    deviceId,
    name,
    subject,
    services,
    boundAtMs: 0,
    seenAtMs: 0,
  };
}

const DEVICES = [device(3, "aula-3"), device(7, "Sala-7"), device(9, "aula-9")];

function bench(changed: Partial<ManagerCaller> = {}) {
  const registered: [number, string][] = [];
  const failures: unknown[] = [];
  const manager: ManagerCaller = {
    admitOperator: () => undefined,
    admitAgent: () => undefined,
    register: (id, name) => Promise.resolve(void registered.push([id, name])),
    relay: () => RELAY,
    ...changed,
  };
  const app = managerPages({
    agents: () => Promise.resolve(DEVICES),
    agent: (id) =>
      Promise.resolve(DEVICES.find(({ deviceId }) => deviceId === id)),
    isStoreUp: () => true,
    ca: () => Promise.resolve("-----BEGIN CERTIFICATE-----\n"),
    crl: () => Promise.resolve(undefined),
    onFailure: (error) => failures.push(error),
  });
  const ask = async (path: string, body?: unknown) => {
    const text = typeof body === "string" ? body : JSON.stringify(body);
    const init = body === undefined ? {} : { method: "POST", body: text };
    const request = new Request(`https://gw.test${path}`, init);
    const response = await app.fetch(request, { manager });
    return { status: response.status, body: await response.json() };
  };
  return { app, ask, failures, manager, registered };
}

async function idsOf(query: string) {
  const { body } = await bench().ask(`/private/tunnel/agents${query}`);
  const { agents, ...rest } = body as {
    agents: { id: number }[];
    total: number;
    page: number;
    limit: number;
  };
  return { ids: agents.map(({ id }) => id), ...rest };
}

test("POST register takes what every release of the agent says, and answers with the relay", async () => {
  const { ask, registered } = bench();
  const path = "/private/tunnel/register";
  const bodies = [
    { id: 7, name: "aula-7", services: ["ssh"] },
    { id: "7", name: "aula-7", services: [], mode: "tcp_tunnel", more: 1 },
  ];
  for (const body of bodies) {
    expect(await ask(path, body)).toEqual({
      status: 200,
      body: { relay: RELAY },
    });
  }
  expect(registered).toEqual([[7, "aula-7"], [7, "aula-7"]]);
});

test("POST register refuses a body that is none, and says which part", async () => {
  const { ask, registered } = bench();
  const bad = [
    [{ id: 7, name: "x" }, "services"],
    [{ id: "x", name: "x", services: [] }, "id"],
    [{ id: 0, name: "x", services: [] }, "id"],
    [{ id: 7, services: [] }, "name"],
  ] as const;
  for (const [body, key] of bad) {
    expect(await ask("/private/tunnel/register", body)).toMatchObject({
      status: 422,
      body: { detail: [{ loc: ["body", key], type: "value_error" }] },
    });
  }
  for (const text of ["", "no json", "[]", " ".repeat(20_000)]) {
    expect((await ask("/private/tunnel/register", text)).status).toBe(422);
  }
  expect(registered).toEqual([]);
});

test("the pages say of a refusal what it is, as migasfree's manager does", async () => {
  const missing = new Fault("certificateMissing", "Cannot enter");
  const bound = new Fault("deviceBound", "It is another's");
  const refuse = (fault: Fault) => () => {
    throw fault;
  };
  const { ask } = bench({
    admitOperator: refuse(missing),
    admitAgent: refuse(missing),
  });
  const refused = { status: 403, body: { detail: "Cannot enter" } };
  // Who may not come in learns nothing about its body.
  expect(await ask("/private/tunnel/register", {})).toEqual(refused);
  expect(await ask("/private/tunnel/agents")).toEqual(refused);
  expect(await ask("/private/tunnel/agents/7")).toEqual(refused);
  const thief = bench({ register: () => Promise.reject(bound) });
  const body = { id: 7, name: "x", services: [] };
  expect(await thief.ask("/private/tunnel/register", body)).toEqual({
    status: 403,
    body: { detail: "It is another's" },
  });
});

test("GET agents lists all that are online unless it is asked for less, and searches every page", async () => {
  const all = { ids: [3, 7, 9], total: 3, page: 1, limit: 1_000 };
  expect(await idsOf("")).toEqual(all);
  expect(await idsOf("?page=2&limit=2"))
    .toEqual({ ids: [9], total: 3, page: 2, limit: 2 });
  expect(await idsOf("?page=9&limit=2"))
    .toEqual({ ids: [], total: 3, page: 9, limit: 2 });
  expect(await idsOf("?q=AULA&limit=1&page=2"))
    .toEqual({ ids: [9], total: 2, page: 2, limit: 1 });
  expect(await idsOf("?q=CID-7"))
    .toEqual({ ids: [7], total: 1, page: 1, limit: 1_000 });
  for (const query of ["page=0", "limit=0", "limit=10001", "page=x"]) {
    const { status } = await bench().ask(`/private/tunnel/agents?${query}`);
    expect([query, status]).toEqual([query, 422]);
  }
});

test("GET agents/{id} gives one that is online, or says which is not", async () => {
  const { ask } = bench();
  expect(await ask("/private/tunnel/agents/7")).toEqual({
    status: 200,
    body: {
      id: 7,
      name: "Sala-7 [CID-7]",
      services: ["ssh"],
      mode: "tcp_tunnel",
      relay: RELAY,
      server_ip: "gw.test",
    },
  });
  for (const id of [8, 0, 9_999_999_999]) {
    expect(await ask(`/private/tunnel/agents/${id}`)).toEqual({
      status: 404,
      body: { detail: `Agent ${id} not found` },
    });
  }
});

test("GET health, ca and crl need nobody's certificate", async () => {
  const { app, ask, manager } = bench();
  expect(await ask("/private/tunnel/health")).toEqual({
    status: 200,
    body: { status: "healthy", api: "ok", redis: "ok" },
  });
  const request = new Request("https://gw.test/public/ca");
  const ca = await app.fetch(request, { manager });
  expect(ca.headers.get("content-type")).toBe("application/pkix-cert");
  expect(await ca.text()).toBe("-----BEGIN CERTIFICATE-----\n");
  expect(await ask("/public/crl")).toEqual({
    status: 404,
    body: { detail: "It is not known here" },
  });
});

test("a caller hears nothing of what fails inside", async () => {
  const { ask, failures } = bench({
    register: () => Promise.reject(new Error("secret")),
  });
  const body = { id: 7, name: "x", services: [] };
  expect(await ask("/private/tunnel/register", body)).toEqual({
    status: 500,
    body: { detail: "Internal error" },
  });
  expect(failures.length).toBe(1);
});

test("who asks by no name that can be dialed is told so", async () => {
  const { ask } = bench({ relay: () => undefined });
  expect(await ask("/private/tunnel/agents")).toMatchObject({ status: 400 });
});
