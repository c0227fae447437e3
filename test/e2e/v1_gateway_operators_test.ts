import { expect } from "bun:test";
import type { Socket } from "node:net";
import { eventually, quiet } from "../support/eventually.ts";
import { pythonPeersMissing } from "../support/python_peer.ts";
import { dialTest, echoOnce, serveTcp } from "../support/tcp_peer.ts";
import { testUnless } from "../support/test_unless.ts";
import { V1GatewaySite } from "./v1_gateway_site.ts";

const test = testUnless(pythonPeersMissing);

const AGENTS = "/manager/v1/private/tunnel/agents";
/** More than what all buffers on the way take. */
const MUCH_BYTES = 48 * 1024 * 1024;
/** Others may wait a little while one is full, but never for its reader. */
const SLOW_MAX_MS = 20_000;

function echo(socket: Socket): void {
  socket.pipe(socket);
}

test(
  "items 30, 41, 42: operators are shown all agents, as upstream lists them",
  async () => {
    await using made = await V1GatewaySite.start();
    for (const id of [3, 1, 2]) await made.agent(id);
    const agent = (id: number) => ({
      id,
      name: expect.stringContaining("python-agent"),
      services: [],
      mode: "tcp_tunnel",
      relay: made.url,
      server_ip: expect.stringMatching(/./),
    });
    const all = await made.ask(AGENTS);
    expect(all).toEqual({
      status: 200,
      body: {
        agents: [agent(1), agent(2), agent(3)],
        total: 3,
        page: 1,
        limit: expect.any(Number),
      },
    });
    expect(await made.ask(`${AGENTS}?page=2&limit=2`)).toEqual({
      status: 200,
      body: { agents: [agent(3)], total: 3, page: 2, limit: 2 },
    });
    expect((await made.ask(`${AGENTS}?q=cid-2`)).status).toBe(200);
    expect(await made.ask(`${AGENTS}/2`)).toEqual({
      status: 200,
      body: agent(2),
    });
    expect(await made.ask(`${AGENTS}/9`)).toMatchObject({
      status: 404,
      body: { detail: "Agent 9 not found" },
    });
    expect(await made.ask(AGENTS, await made.computer(1)))
      .toMatchObject({ status: 403 });
  },
  30_000,
);

test(
  "items 43, 44, 49: an operator is answered as by upstream, and named by its certificate",
  async () => {
    await using echoing = await serveTcp(echo);
    await using made = await V1GatewaySite.start();
    const agent = await made.agent(7, { services: { ssh: echoing.port } });
    const operator = await made.connect(7, "--client-cn", "somebody else");
    using client = await dialTest(operator.port);
    await echoOnce(client.socket, 1000);
    expect(operator.events("first_answer")).toMatchObject([
      { message: { type: "connection_ok", message: "Client connected" } },
    ]);
    expect(agent.events("tunnel_started")).toMatchObject([
      { service: "ssh", client_cn: "maria" },
    ]);
  },
  30_000,
);

test(
  "item 45: a device that is not there is answered in upstream's words",
  async () => {
    await using made = await V1GatewaySite.start();
    const operator = await made.console(9);
    using _client = await dialTest(operator.port);
    expect(await operator.event("tunnel_failed")).toMatchObject({
      error: expect.stringContaining("Agent 9 not found on this server"),
    });
    await using link = await made.raw();
    link.send({
      ...{ type: "execute_command", id: 9, exec_id: "x" },
      command: "migasfree sync",
    });
    expect(await link.nextOf("exec_error")).toEqual({
      type: "exec_error",
      exec_id: "x",
      error: "Agent 9 not found on this server",
    });
  },
  30_000,
);

test(
  "item 46: an operator hears of the end of a service, after its last bytes",
  async () => {
    await using ending = await serveTcp((socket) => void socket.end("goodbye"));
    await using made = await V1GatewaySite.start();
    await made.agent(7, { services: { vnc: ending.port } });
    const operator = await made.connect(7, "--service", "vnc");
    using client = await dialTest(operator.port);
    const heard = new Promise<string>((resolve) =>
      client.socket.once("data", (data: Buffer) => resolve(data.toString()))
    );
    expect(await heard).toBe("goodbye");
    await operator.event("tunnel_closed");
  },
  30_000,
);

for (
  const [how, flags] of [["close_tunnel", []], ["its link", [
    "--drop",
  ]]] as const
) {
  test(
    `item 47: an operator ends a tunnel with ${how}, and the agent hears of it`,
    async () => {
      let open = 0;
      await using echoing = await serveTcp((socket) => {
        open++;
        socket.once("close", () => void open--);
        echo(socket);
      });
      await using made = await V1GatewaySite.start();
      const agent = await made.agent(7, { services: { ssh: echoing.port } });
      const operator = await made.console(7);
      using client = await dialTest(operator.port);
      await echoOnce(client.socket, 1000);
      if (flags.length === 0) client.socket.end();
      else operator.kill("SIGKILL");
      await agent.event("tunnel_closed");
      await eventually("the service has gone", () => open === 0);
    },
    30_000,
  );
}

test(
  "item 47: close_tunnel is answered, and an unknown tunnel's is not",
  async () => {
    await using echoing = await serveTcp(echo);
    await using made = await V1GatewaySite.start();
    const agent = await made.agent(7, { services: { ssh: echoing.port } });
    await using link = await made.raw();
    link.send({ type: "close_tunnel", tunnel_id: "unknown" });
    link.send({
      ...{ type: "start_tcp_tunnel", id: 7, tunnel_id: "mine", service: "ssh" },
      client_cn: null,
    });
    expect(await link.nextOf("tunnel_started")).toEqual({
      type: "tunnel_started",
      tunnel_id: "mine",
      id: 7,
      service: "ssh",
    });
    link.send({ type: "close_tunnel", tunnel_id: "mine" });
    expect(await link.nextOf("tunnel_closed")).toEqual({
      type: "tunnel_closed",
      tunnel_id: "mine",
    });
    await agent.event("tunnel_closed");
  },
  30_000,
);

test(
  "item 48: nobody but its owner can send to a tunnel, or close it",
  async () => {
    const heard: Buffer[] = [];
    await using service = await serveTcp((socket) => {
      socket.on("data", (data: Buffer) => void heard.push(data));
      socket.write("hello");
    });
    await using made = await V1GatewaySite.start();
    const agent = await made.agent(7, {
      services: { ssh: service.port },
      flags: ["--trace"],
    });
    await using owner = await made.raw();
    owner.send({
      type: "start_tcp_tunnel",
      id: 7,
      tunnel_id: "a",
      service: "ssh",
    });
    const first = await owner.nextOf("tunnel_data");
    expect(first).toEqual({
      type: "tunnel_data",
      tunnel_id: "a",
      origin: "agent",
      data: Buffer.from("hello").toString("hex"),
    });
    // The other one may know both names of the tunnel.
    const { tunnel: inner } = await agent.event("tunnel_started");
    await using thief = await made.raw();
    for (const tunnel of ["a", inner]) {
      thief.send({ type: "tunnel_data", tunnel_id: tunnel, data: "ff" });
      thief.send({
        ...{ type: "tunnel_data", tunnel_id: tunnel, data: "ff" },
        origin: "agent",
      });
      thief.send({ type: "close_tunnel", tunnel_id: tunnel });
      thief.send({ type: "tunnel_closed", tunnel_id: tunnel });
    }
    thief.send({ type: "connect_client", mode: "tcp_tunnel" });
    await thief.nextOf("connection_ok");
    owner.send({ type: "tunnel_data", tunnel_id: "a", data: "6f6b" });
    await eventually("it arrives", () => heard.length > 0);
    expect(Buffer.concat(heard).toString()).toBe("ok");
    expect(agent.events("tunnel_closed")).toEqual([]);
  },
  30_000,
);

test("item 30: a computer is no operator", async () => {
  await using echoing = await serveTcp(echo);
  await using made = await V1GatewaySite.start();
  const agent = await made.agent(7, { services: { ssh: echoing.port } });
  for (
    const message of [
      { type: "list_agents" },
      { type: "start_tcp_tunnel", id: 7, tunnel_id: "a", service: "ssh" },
      { type: "execute_command", id: 7, exec_id: "b", command: "migasfree" },
    ]
  ) {
    await using link = await made.raw(await made.computer(8));
    link.send(message);
    await link.closed;
  }
  expect(agent.events("tunnel_started")).toEqual([]);
  expect(agent.events("exec")).toEqual([]);
}, 30_000);

test(
  "item 40: an operator who does not read stops no other one of that agent",
  async () => {
    const much = new Uint8Array(MUCH_BYTES);
    await using sending = await serveTcp((socket) => void socket.write(much));
    await using echoing = await serveTcp(echo);
    await using made = await V1GatewaySite.start();
    const agent = await made.agent(7, {
      services: { vnc: sending.port, ssh: echoing.port },
    });
    const good = await made.connect(7);
    using client = await dialTest(good.port);
    await echoOnce(client.socket, 1);
    const bad = await made.connect(7, "--service", "vnc");
    using stuck = await dialTest(bad.port);
    stuck.socket.pause();
    await bad.event("tunnel_started");
    await quiet(() => stuck.socket.bytesRead);
    for (let round = 0; round < 2; round++) {
      expect(await echoOnce(client.socket, 1000)).toBeLessThan(SLOW_MAX_MS);
    }
    expect(agent.events("closed")).toEqual([]);
  },
  60_000,
);
