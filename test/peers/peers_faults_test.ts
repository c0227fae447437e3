import { expect } from "bun:test";
import { eventually, quiet } from "../support/eventually.ts";
import { type PythonPeer, pythonPeersMissing } from "../support/python_peer.ts";
import { standstill } from "../support/standstill.ts";
import { dialTest, echoOnce, flood, serveTcp } from "../support/tcp_peer.ts";
import { testUnless } from "../support/test_unless.ts";
import { PythonTrio } from "./python_trio.ts";

const test = testUnless(pythonPeersMissing);

/** Nothing moves for so long: all is full. */
const STILL_TURNS = 300;

/** What relay.py holds now, the `nth` time it is asked. */
async function stats(relay: PythonPeer): Promise<Record<string, unknown>> {
  const nth = relay.events("stats").length + 1;
  relay.order({ do: "stats" });
  return await relay.event("stats", {}, nth);
}

test("relay.py counts each heartbeat as load, and forgets one of it", async () => {
  await using trio = await PythonTrio.start();
  const agent = await trio.agent(7, {}, ["--heartbeat-seconds", "0.05"]);
  const sixth = await trio.relay.event("registered", {}, 6);
  expect(sixth["load"]).toBe(6);
  agent.kill("SIGSTOP");
  const loads = trio.relay.events("registered").map(({ load }) => load);
  expect(loads.slice(0, 6)).toEqual([1, 2, 3, 4, 5, 6]);
  trio.relay.order({ do: "drop", id: 7 });
  const { load } = await trio.relay.event("unregistered");
  expect(load).toBe(trio.relay.events("registered").length - 1);
});

test("relay.py counts an agent once if its load is mended", async () => {
  await using trio = await PythonTrio.start("--fix", "load");
  await trio.agent(7, {}, ["--heartbeat-seconds", "0.05"]);
  expect(await trio.relay.event("registered", {}, 4)).toMatchObject({
    load: 1,
  });
});

test("agent.py of 1.0.13 registers once, and has no heartbeat", async () => {
  await using trio = await PythonTrio.start();
  const flags = ["--heartbeat-seconds", "0.01"];
  await trio.agent(7, {}, [...flags, "--as-version", "1.0.13"]);
  await trio.agent(8, {}, flags);
  await trio.relay.event("registered", { id: 8 }, 10);
  expect(trio.relay.events("registered", { id: 7 })).toHaveLength(1);
});

test("agent.py comes back at once to a relay that is full", async () => {
  await using trio = await PythonTrio.start("--max-connections", "0");
  await trio.agent(7, {});
  await trio.relay.event("refused", { id: 7 }, 30);
  const [first, , , last] = trio.relay.events("refused")
    .filter((_, index) => index % 9 === 0);
  const tookMs = Number(last?.at_ms) - Number(first?.at_ms);
  expect(tookMs).toBeLessThan(27 * 200);
  expect(trio.relay.events("register").length).toBeGreaterThan(27);
}, 30_000);

test("agent.py waits after an error, and answers JSON of no object with one", async () => {
  await using trio = await PythonTrio.start();
  const agent = await trio.agent(7, {}, ["--error-seconds", "0.4"]);
  for (const [index, text] of ["[1]", "7", "{"].entries()) {
    await trio.relay.event("registered", {}, index + 1);
    trio.relay.order({ do: "send", id: 7, text });
    const { at_ms: failedMs } = await agent.event("failed", {}, index + 1);
    const { at_ms: againMs } = await agent.event("dialing", {}, index + 2);
    expect(againMs - failedMs).toBeGreaterThan(390);
  }
});

for (const flags of [[], ["--fix", "cleanup"]]) {
  test(`relay.py ${flags}: what the end of an old socket does to a new one`, async () => {
    await using trio = await PythonTrio.start(...flags);
    const old = await trio.agent(7, {});
    await trio.relay.event("registered", {}, 1);
    await trio.agent(7, {});
    await trio.relay.event("registered", {}, 2);
    await old[Symbol.asyncDispose]();
    await trio.relay.event("closed", { role: "agent" });
    const { agents } = await stats(trio.relay);
    expect(agents).toEqual(flags.length === 0 ? [] : [7]);
    const operator = await trio.console(7);
    using _client = await dialTest(operator.port);
    if (flags.length > 0) await operator.event("tunnel_started");
    else {
      expect(await operator.event("tunnel_failed")).toMatchObject({
        error: expect.stringContaining("Agent 7 not found on this server"),
      });
    }
  });
}

for (const flags of [[], ["--fix", "tunnel-closed"]]) {
  test(`relay.py ${flags}: what an operator hears of a service that ends`, async () => {
    await using ending = await serveTcp((socket) => void socket.end("bye"));
    await using trio = await PythonTrio.start("--trace", ...flags);
    await trio.agent(7, { ssh: ending.port });
    await trio.relay.event("registered");
    const operator = await trio.connect(7);
    using client = await dialTest(operator.port);
    await trio.relay.event("message", { type: "tunnel_closed" });
    const { tunnels } = await stats(trio.relay);
    expect(tunnels).toHaveLength(1 - flags.length / 2);
    if (flags.length > 0) await operator.event("tunnel_closed");
    else expect(operator.events("tunnel_closed")).toEqual([]);
    // Neither way does connect.py end the local connection.
    expect(await quiet(() => client.socket.readableEnded)).toBe(false);
  });
}

test("relay.py says started before agent.py has failed to connect", async () => {
  const gone = await serveTcp(() => undefined);
  await gone[Symbol.asyncDispose]();
  await using trio = await PythonTrio.start();
  const agent = await trio.agent(7, { ssh: gone.port });
  // A port that refuses is not offered.
  expect(await trio.relay.event("registered")).toMatchObject({ services: [] });
  const operator = await trio.connect(7);
  using _client = await dialTest(operator.port);
  await agent.event("start_failed", { service: "ssh" });
  await operator.event("tunnel_started");
  expect(operator.events("tunnel_closed")).toEqual([]);
});

test("agent.py lets a service that does not read stop everything", async () => {
  await using deaf = await serveTcp((socket) => void socket.pause());
  await using echoing = await serveTcp((socket) => void socket.pipe(socket));
  await using trio = await PythonTrio.start("--no-deflate");
  await trio.agent(7, { vnc: deaf.port, ssh: echoing.port });
  await trio.relay.event("registered");
  const good = await trio.connect(7);
  using client = await dialTest(good.port);
  await echoOnce(client.socket, 1);
  const bad = await trio.connect(7, "--service", "vnc");
  using sender = await dialTest(bad.port);
  flood(sender.socket);
  const sentBytes = () => sender.socket.bytesWritten;
  await eventually("it flows", () => sentBytes() > 1_000_000);
  await standstill(sentBytes, STILL_TURNS);
  let isHeard = false;
  const echo = echoOnce(client.socket, 1).then(() => isHeard = true);
  await quiet(() => isHeard);
  expect(isHeard).toBe(false);
  client.socket.destroy();
  await echo.catch(() => undefined); // It has gone with its connection.
}, 30_000);

test("manager.py's list shows two agents, and connect.py no other", async () => {
  await using trio = await PythonTrio.start();
  for (const id of [1, 2, 3, 4, 5]) await trio.agent(id, {});
  await trio.relay.event("registered", {}, 5);
  const url = `${trio.managerUrl}/manager/v1/private/tunnel/agents`;
  const list = async (query: string) =>
    await (await fetch(url + query)).json() as { agents: { id: number }[] };
  const first = await list("");
  expect(first).toMatchObject({ total: 5, page: 1, limit: 2 });
  const shown = first.agents.map(({ id }) => id);
  expect(shown).toHaveLength(2);
  const all = (await list("?page=1&limit=100")).agents.map(({ id }) => id);
  expect(all.toSorted()).toEqual([1, 2, 3, 4, 5]);
  expect(all).not.toEqual([1, 2, 3, 4, 5]);
  const hidden = all.find((id) => !shown.includes(id));
  const failed = await trio.connect(Number(hidden)).catch(String);
  expect(String(failed)).toContain(`CID-${hidden} not found`);
  const one = await fetch(`${url}/${hidden}`);
  expect(await one.json()).toEqual({
    id: hidden,
    name: `python-agent [CID-${hidden}]`,
    services: [],
    mode: "tcp_tunnel",
    relay: trio.relayUrl,
    server_ip: "127.0.0.1",
  });
  const none = await fetch(`${url}/9`);
  expect([none.status, await none.json()]).toEqual([404, {
    detail: "Agent 9 not found",
  }]);
});
