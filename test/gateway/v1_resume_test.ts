import { expect, test } from "bun:test";
import { WindowBudget } from "../../src/stream/window_budget.ts";
import type { Link } from "../../src/transport/link.ts";
import { runStream } from "../../src/transport/stream_link.ts";
import type { StreamResult } from "../../src/transport/stream_ports.ts";
import { settle } from "../support/manual_clock.ts";
import type { MemoryLink } from "../support/memory_link.ts";
import { MemorySocket } from "../support/memory_socket.ts";
import { until } from "./resume_bench.ts";
import { ANA, V1GatewayBench, type V1Peer } from "./v1_gateway_bench.ts";

/** An operator of protocol 2 at an agent of protocol 1. */
class NewOperator {
  readonly socket = new MemorySocket();
  readonly links: MemoryLink[] = [];
  result: StreamResult | undefined;
  isJoined = false;
  readonly #bench: V1GatewayBench;

  constructor(bench: V1GatewayBench) {
    this.#bench = bench;
    const link = this.#dial("/tunnel/connect?device=7&service=ssh", "");
    void runStream(this.socket, link, {
      clock: bench.clock,
      heartbeats: bench.heartbeats,
      budget: new WindowBudget(0),
      joined: () => this.isJoined = true,
      resume: {
        random: () => 0,
        lingerMs: 1_000,
        dial: (token) => Promise.resolve(this.#dial("/tunnel/resume", token)),
        lost: () => undefined,
        back: () => undefined,
      },
    }, new AbortController().signal).then((result) => this.result = result);
  }

  get text(): string {
    return new TextDecoder().decode(this.socket.received);
  }

  cut(): void {
    this.links.at(-1)?.terminate();
  }

  #dial(target: string, token: string): Link {
    const link = this.#bench.dialStream(ANA, target, token);
    this.links.push(link);
    return link;
  }
}

async function joined(): Promise<{
  bench: V1GatewayBench;
  agent: V1Peer;
  operator: NewOperator;
  id: string;
}> {
  const bench = await V1GatewayBench.create();
  const agent = await bench.agent(7);
  const operator = new NewOperator(bench);
  const { tunnel_id: id } = await agent.heard("start_tcp_tunnel");
  agent.data(String(id), "SSH");
  await until(() => operator.isJoined && operator.text === "SSH");
  return { bench, agent, operator, id: String(id) };
}

test("an operator of protocol 2 comes back to an agent of protocol 1, and nothing is lost", async () => {
  const { agent, bench, id, operator } = await joined();
  for (let turn = 1; turn <= 5; turn++) {
    operator.socket.say(`up ${turn},`);
    agent.data(id, `down ${turn},`);
    operator.cut();
    agent.data(id, `more ${turn},`);
    await until(() => operator.links.length === turn + 1);
    await until(() => operator.text.endsWith(`more ${turn},`));
  }
  await until(() => agent.text(id).endsWith("up 5,"));
  const numbers = [1, 2, 3, 4, 5];
  expect(agent.text(id)).toBe(numbers.map((at) => `up ${at},`).join(""));
  expect(operator.text).toBe(
    `SSH${numbers.map((at) => `down ${at},more ${at},`).join("")}`,
  );
  expect(agent.all("start_tcp_tunnel").length).toBe(1);
  // It ends as cleanly as if nothing had been.
  agent.say({ type: "tunnel_closed", "tunnel_id": id });
  operator.socket.sayEnd();
  await until(() => operator.result !== undefined);
  expect(operator.result?.fault).toBeUndefined();
  await until(() => bench.gateway.tunnelCount === 0);
});

test("an operator that does not come back frees the tunnel at the agent in time", async () => {
  const { agent, bench, operator } = await joined();
  // Its machine is gone: no link of it lasts.
  for (let ms = 0; ms < 90_000 && !agent.all("close_tcp_tunnel")[0];) {
    operator.cut();
    await bench.clock.advance(1_000);
    await settle();
    ms += 1_000;
  }
  await agent.heard("close_tcp_tunnel");
});

test("an operator that is away when the agent is lost hears it when it comes back", async () => {
  const { agent, operator } = await joined();
  operator.cut();
  agent.link.terminate();
  await until(() => operator.result !== undefined);
  expect(operator.result?.fault?.code).toMatch(
    /^(?:linkLost|agentStopping|peerGone)$/,
  );
});
