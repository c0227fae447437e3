import { expect } from "bun:test";
import type { Socket } from "node:net";
import { pythonPeersMissing } from "../support/python_peer.ts";
import { dialTest, echoOnce, serveTcp } from "../support/tcp_peer.ts";
import { testUnless } from "../support/test_unless.ts";
import { V1GatewaySite } from "./v1_gateway_site.ts";

const test = testUnless(pythonPeersMissing);

const REGISTER = "/manager/v1/private/tunnel/register";
const AGENTS = "/manager/v1/private/tunnel/agents";

function echo(socket: Socket): void {
  socket.pipe(socket);
}

test(
  "items 29, 30, 33: register answers with the gateway's URL, to computers",
  async () => {
    await using made = await V1GatewaySite.start();
    const computer = await made.computer(7);
    const body = { id: 7, name: "aula-7", services: ["ssh"] };
    for (const mode of [{}, { mode: "tcp_tunnel" }, { more: 1 }]) {
      expect(await made.ask(REGISTER, computer, { ...body, ...mode }))
        .toEqual({ status: 200, body: { relay: made.url } });
    }
    expect(await made.ask(REGISTER, computer, { ...body, id: "7" }))
      .toEqual({ status: 200, body: { relay: made.url } });
    expect(await made.ask(REGISTER, computer, { id: 7, name: "aula-7" }))
      .toMatchObject({ status: 422 });
    expect(await made.ask(REGISTER, computer, { ...body, id: "seven" }))
      .toMatchObject({ status: 422 });
    expect(await made.ask(REGISTER, made.operator, body))
      .toMatchObject({ status: 403 });
  },
  30_000,
);

for (const version of ["1.0.7", "1.0.13", "1.1.0"]) {
  test(
    `items 34-37, 51: an agent of ${version} is let in and stays`,
    async () => {
      await using echoing = await serveTcp(echo);
      await using made = await V1GatewaySite.start();
      const flags = ["--trace", "--as-version", version];
      const agent = await made.agent(7, {
        services: { ssh: echoing.port },
        // Upstream's is 60 s.
        flags: [...flags, "--heartbeat-seconds", "0.3"],
      });
      const operator = await made.connect(7);
      using client = await dialTest(operator.port);
      await echoOnce(client.socket, 1000);
      if (version === "1.1.0") await agent.event("registered", {}, 3);
      await echoOnce(client.socket, 100_000);
      expect(agent.events("connected")).toMatchObject([
        { url: made.url, subprotocol: null },
      ]);
      expect([agent.events("closed"), agent.events("failed")]).toEqual([
        [],
        [],
      ]);
      const { body } = await made.ask(AGENTS);
      expect(body).toMatchObject({ total: 1 });
    },
    30_000,
  );
}

test(
  "item 31: another certificate for a device that has one is refused",
  async () => {
    await using made = await V1GatewaySite.start();
    const agent = await made.agent(7);
    const other = await made.computer(8);
    const thief = await made.startAgent(7, {
      identity: other,
      flags: ["--relay", made.url],
    });
    expect(await thief.event("failed")).toMatchObject({
      error: expect.stringContaining("403"),
    });
    const link = await made.raw(other);
    await using _link = link;
    link.send({
      ...{ type: "register_agent", id: 7, name: "x [CID-7]" },
      ...{ services: [], mode: "tcp_tunnel" },
    });
    await link.closed;
    expect(thief.events("registered")).toEqual([]);
    expect(agent.events("closed")).toEqual([]);
  },
  30_000,
);

test(
  "item 32: the revocation of its certificate ends an agent's session",
  async () => {
    await using made = await V1GatewaySite.start();
    const agent = await made.agent(7, { flags: ["--error-seconds", "1"] });
    const stays = await made.agent(8);
    await made.site.cli(["pki", "revoke", made.site.pkiDir, "uuid-7_1"]);
    await agent.event("closed");
    await agent.event("failed");
    expect(stays.events("closed")).toEqual([]);
  },
  90_000,
);

test(
  "item 38: a second link of a device has it, whatever becomes of the first",
  async () => {
    await using echoing = await serveTcp(echo);
    await using made = await V1GatewaySite.start();
    const services = { ssh: echoing.port };
    const first = await made.agent(7, { services });
    first.kill("SIGSTOP");
    await made.agent(7, { services });
    first.kill("SIGKILL");
    await first.exited;
    const operator = await made.connect(7);
    using client = await dialTest(operator.port);
    await echoOnce(client.socket, 1000);
  },
  30_000,
);

test(
  "item 39: an agent hears no message and no key that upstream's never says",
  async () => {
    await using echoing = await serveTcp(echo);
    await using made = await V1GatewaySite.start();
    const agent = await made.agent(7, {
      services: { ssh: echoing.port },
      flags: ["--trace"],
    });
    const operator = await made.console(7);
    using client = await dialTest(operator.port);
    await echoOnce(client.socket, 100);
    client.socket.destroy();
    const command = await made.console(7, "-e", "migasfree sync");
    await command.exited;
    await agent.event("message", { type: "close_tcp_tunnel" });
    const keys = new Map(
      agent.events("message").map(({ message, type }) => {
        // Two that the peer adds for what it does not show.
        const { bytes: _bytes, lower_hex: _lower, ...rest } = Object(message);
        return [type, Object.keys(rest).toSorted()];
      }),
    );
    expect(Object.fromEntries(keys)).toEqual({
      // Agents do not look at this one.
      registration_ok: expect.arrayContaining(["message", "type"]),
      start_tcp_tunnel: ["client_cn", "service", "tunnel_id", "type"],
      tunnel_data: ["data", "tunnel_id", "type"],
      close_tcp_tunnel: ["tunnel_id", "type"],
      execute_command: ["client_cn", "command", "exec_id", "type"],
    });
  },
  30_000,
);

test(
  "item 51: an agent that comes back at once does not starve the others",
  async () => {
    await using echoing = await serveTcp(echo);
    // The most links that one address may have: this is full for the second.
    await using made = await V1GatewaySite.start();
    await made.agent(8, { services: { ssh: echoing.port } });
    // Two of one device, each of which takes it from the other, at once.
    const rivals = [await made.startAgent(7), await made.startAgent(7)];
    const operator = await made.connect(8);
    using client = await dialTest(operator.port);
    for (let round = 0; round < 50; round++) {
      await echoOnce(
        client.socket,
        1000,
      );
    }
    const dials = rivals.flatMap((agent) => agent.events("dialing"));
    const [first, last] = [dials[0], dials.at(-1)];
    const seconds = (Number(last?.at_ms) - Number(first?.at_ms)) / 1000;
    // Each of them may be as quick as it likes for a moment, not for long.
    expect(dials.length).toBeLessThan(20 + 10 * seconds);
  },
  30_000,
);
