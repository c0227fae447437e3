import { expect } from "bun:test";
import { eventually } from "../support/eventually.ts";
import { type PythonPeer, pythonPeersMissing } from "../support/python_peer.ts";
import { dialTest, echoOnce, serveTcp } from "../support/tcp_peer.ts";
import { testUnless } from "../support/test_unless.ts";
import { V1AgentSite } from "./v1_agent_site.ts";

// Some mostly wait: they do it together (concurrent).
const test = testUnless(pythonPeersMissing);

/** Milliseconds between one event of that name and the next. */
function gapsMs(peer: PythonPeer, name: string): number[] {
  const times = peer.events(name).map(({ at_ms: atMs }) => atMs);
  return times.slice(1).map((atMs, index) => atMs - Number(times[index]));
}

test(
  "items 6, 8, 9: the agent registers with manager and relay as upstream's does",
  async () => {
    await using echoing = await serveTcp((socket) => void socket.pipe(socket));
    await using made = await V1AgentSite.start("--trace");
    const child = await made.agent({ services: { ssh: echoing.port } });
    await child.line(/link\.open /);
    const asked = made.relay.events("register").map(({ body }) =>
      JSON.parse(String(body))
    );
    expect(asked.at(-1)).toMatchObject({
      id: 7,
      name: "aula-7",
      services: expect.arrayContaining(["ssh"]),
    });
    const last = made.relay.events("handshake").at(-1);
    expect(last).toMatchObject({ path: "/tunnel", agent: "7" });
    expect(made.relay.events("message")[0]).toMatchObject({
      type: "register_agent",
      message: {
        type: "register_agent",
        id: 7,
        name: "aula-7 [CID-7]",
        services: expect.arrayContaining(["ssh"]),
        mode: "tcp_tunnel",
      },
    });
  },
  30_000,
);

test.concurrent(
  "item 7: what the manager answers that is no relay is asked again, slower",
  async () => {
    await using made = await V1AgentSite.start();
    const answer = (status: number, body = "", headers = {}) =>
      made.relay.order({ do: "answer_register", status, body, headers });
    answer(503, "<html>");
    answer(200, "nonsense");
    answer(200, '{"relay": 7}');
    const child = await made.startAgent();
    await made.relay.event("registered", { id: 7 }, 1, 40_000);
    const gaps = gapsMs(made.relay, "register");
    expect(gaps.length).toBeGreaterThanOrEqual(3);
    expect(gaps.filter((ms) => ms < 990)).toEqual([]);
    await child.line(/link\.open /);
  },
  60_000,
);

test.concurrent(
  "item 7: a busy manager is asked again when it said so",
  async () => {
    await using made = await V1AgentSite.start();
    const headers = { "Retry-After": "3" };
    made.relay.order({ do: "answer_register", status: 429, body: "", headers });
    await made.agent();
    expect(gapsMs(made.relay, "register")[0]).toBeGreaterThan(2_990);
  },
  30_000,
);

for (const status of [403, 422]) {
  test.concurrent(
    `item 7: a manager that refuses us (${status}) is asked again in minutes`,
    async () => {
      await using made = await V1AgentSite.start();
      const body = '{"detail": "Forbidden: Invalid Client Certificate"}';
      made.relay.order({ do: "answer_register", status, body });
      const child = await made.startAgent();
      const line = await child.line(/link\.failed /);
      const waitMs = Number(/waitMs=(\d+)/.exec(line)?.[1]);
      expect(waitMs).toBeGreaterThan(60_000);
      expect(waitMs).toBeLessThan(3_600_000);
    },
    30_000,
  );
}

test(
  "item 10: the agent registers once, and again when its services change",
  async () => {
    const server = await serveTcp((socket) => void socket.pipe(socket));
    await using _server = server;
    await using made = await V1AgentSite.start();
    const child = await made.agent({ services: { ssh: server.port } });
    await child.line(/link\.open /);
    const before = made.relay.events("registered").length;
    expect(before).toBe(1);
    // Longer than the look at the services, and much longer than a second.
    const operator = await made.trio.console(7);
    using client = await dialTest(operator.port);
    for (let index = 0; index < 50; index++) await echoOnce(client.socket, 100);
    expect(made.relay.events("registered")).toHaveLength(before);
  },
  30_000,
);

test.concurrent(
  "item 11: a relay that is full is not asked more than once a second",
  async () => {
    await using made = await V1AgentSite.start("--max-connections", "0");
    const child = await made.startAgent();
    await made.relay.event("refused", {}, 2, 40_000);
    expect(gapsMs(made.relay, "refused").filter((ms) => ms < 990)).toEqual([]);
    const waits = child.output().stderr.match(/link\.\w+ .*Connection limit/g);
    expect(waits?.length).toBeGreaterThanOrEqual(1);
  },
  60_000,
);

for (const code of [1000, 1001]) {
  test.concurrent(
    `item 12: after a normal close (${code}) the agent waits before it comes back`,
    async () => {
      await using made = await V1AgentSite.start();
      const child = await made.agent();
      await child.line(/link\.open /);
      const connected = made.relay.events("handshake").length;
      made.relay.order({ do: "close", id: 7, code });
      const closed = await made.relay.event("closed", { role: "agent", code });
      await made.relay.event("registered", { id: 7 }, 2);
      const again = made.relay.events("handshake")[connected];
      const line = await child.line(/link\.lost /);
      const waitMs = Number(/waitMs=(\d+)/.exec(line)?.[1]);
      const tookMs = Number(again?.at_ms) - closed.at_ms;
      expect(tookMs).toBeGreaterThanOrEqual(waitMs - 20);
    },
    30_000,
  );
}

test(
  "item 25: what the agent cannot read leaves its link as it is",
  async () => {
    await using echoing = await serveTcp((socket) => void socket.pipe(socket));
    await using made = await V1AgentSite.start();
    await made.agent({ services: { ssh: echoing.port } });
    const operator = await made.trio.console(7);
    using client = await dialTest(operator.port);
    await echoOnce(client.socket, 1);
    for (
      const text of [
        "{",
        "[1]",
        "7",
        "null",
        '"text"',
        "",
        "{}",
        '{"type": "unheard_of"}',
        '{"type": "tunnel_data"}',
        '{"type": "tunnel_data", "tunnel_id": 7, "data": "00"}',
        '{"type": "tunnel_data", "tunnel_id": "nobody", "data": "00"}',
        '{"type": "tunnel_data", "tunnel_id": "nobody", "data": "xyz"}',
        '{"type": "start_tcp_tunnel"}',
        '{"type": "execute_command", "exec_id": 1}',
        '{"type": "registration_ok", "message": "x", "more": {"a": 1}}',
        '{"type": "close_tcp_tunnel", "tunnel_id": "nobody"}',
      ]
    ) made.relay.order({ do: "send", id: 7, text });
    await echoOnce(client.socket, 100);
    expect(made.relay.events("closed", { role: "agent" })).toEqual([]);
  },
  30_000,
);

test(
  "item 26: the agent's local connections end with the relay's",
  async () => {
    let opened = 0;
    let closed = 0;
    await using echoing = await serveTcp((socket) => {
      opened++;
      socket.once("close", () => void closed++);
      socket.pipe(socket);
    });
    await using made = await V1AgentSite.start();
    await made.agent({ services: { ssh: echoing.port } });
    const operator = await made.trio.console(7);
    using first = await dialTest(operator.port);
    using second = await dialTest(operator.port);
    await echoOnce(first.socket, 1);
    await echoOnce(second.socket, 1);
    const before = opened - closed;
    expect(before).toBe(2);
    made.relay.order({ do: "drop", id: 7 });
    await eventually("both have gone", () => opened - closed === 0);
  },
  30_000,
);

test(
  "item 27: SIGTERM closes the tunnels, then the link, and at once",
  async () => {
    await using echoing = await serveTcp((socket) => void socket.pipe(socket));
    await using made = await V1AgentSite.start("--trace");
    const child = await made.agent({ services: { ssh: echoing.port } });
    const operator = await made.trio.console(7);
    using client = await dialTest(operator.port);
    await echoOnce(client.socket, 1);
    const startMs = performance.now();
    child.kill("SIGTERM");
    const closed = await made.relay.event("closed", { role: "agent" });
    expect([1000, 1001]).toContain(Number(closed["code"]));
    expect(await child.exited).toBe(0);
    expect(performance.now() - startMs).toBeLessThan(10_000);
    await made.relay.event("message", { side: "agent", type: "close_tunnel" });
    await operator.event("tunnel_ended");
  },
  30_000,
);

const NO_FLAGS: string[] = [];

for (const flags of [NO_FLAGS, ["--no-deflate"]]) {
  test(
    `item 28: the agent works with a relay ${
      flags.join("") || "of any compression"
    }`,
    async () => {
      await using echoing = await serveTcp((socket) =>
        void socket.pipe(socket)
      );
      await using made = await V1AgentSite.start(...flags);
      await made.agent({ services: { ssh: echoing.port } });
      const operator = await made.trio.connect(7);
      using client = await dialTest(operator.port);
      await echoOnce(client.socket, 1_000_000);
      expect(made.relay.events("closed", { role: "agent" })).toEqual(
        [],
      );
    },
    30_000,
  );
}
