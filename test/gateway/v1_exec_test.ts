import { expect, test } from "bun:test";
import { settle } from "../support/manual_clock.ts";
import { until } from "./resume_bench.ts";
import { LIMITS, V1GatewayBench, type V1Peer } from "./v1_gateway_bench.ts";

/** A command of an operator that an agent has been asked to run. */
async function command(text: string) {
  const bench = await V1GatewayBench.create();
  const agent = await bench.agent(7);
  const operator = await bench.operator();
  operator.execute(7, "exec-1", text);
  const asked = await agent.heard("execute_command");
  return { bench, agent, operator, asked, id: String(asked["exec_id"]) };
}

function output(agent: V1Peer, id: string, stream: string, data: string) {
  agent.say({ type: "exec_output", "exec_id": id, stream, data });
}

test("a command goes from an operator to an agent of protocol 1, and its output back", async () => {
  const { agent, asked, id, operator } = await command("migasfree 'a b' \"c\"");
  expect(asked).toEqual({
    type: "execute_command",
    exec_id: expect.stringMatching(/^[0-9a-f]{32}$/),
    command: "migasfree 'a b' c",
    client_cn: "ana",
  });
  output(agent, id, "stdout", "uno ñ €\n");
  output(agent, id, "stderr", "dos\r");
  output(agent, id, "stdout", "");
  agent.say({ type: "exec_complete", "exec_id": id, "exit_code": 3 });
  await operator.heard("exec_complete");
  expect(operator.messages.slice(1)).toEqual([
    {
      type: "exec_started",
      exec_id: "exec-1",
      id: 7,
      command: "migasfree 'a b' \"c\"",
    },
    {
      type: "exec_output",
      exec_id: "exec-1",
      stream: "stdout",
      data: "uno ñ €\n",
    },
    {
      type: "exec_output",
      exec_id: "exec-1",
      stream: "stderr",
      data: "dos\r",
    },
    { type: "exec_complete", exec_id: "exec-1", exit_code: 3 },
  ]);
});

test("an operator hears the end that a signal made as Python tells it", async () => {
  for (const code of [-9, -15, -34, 255, 0]) {
    const { agent, id, operator } = await command("migasfree");
    agent.say({ type: "exec_complete", "exec_id": id, "exit_code": code });
    expect((await operator.heard("exec_complete"))["exit_code"]).toBe(code);
  }
});

test("an operator hears the error of an agent in its own words", async () => {
  const { agent, id, operator } = await command("rm -rf /");
  const error = 'Command "rm" not allowed. Allowed: migasfree';
  agent.say({ type: "exec_error", "exec_id": id, error });
  expect(await operator.heard("exec_error")).toEqual({
    type: "exec_error",
    exec_id: "exec-1",
    error,
  });
});

test("an operator hears at once of a command that is none, and of no agent", async () => {
  const bench = await V1GatewayBench.create();
  await bench.agent(7);
  const operator = await bench.operator();
  const wishes: [unknown, string, string][] = [
    [7, "migasfree 'x", "Invalid command syntax: No closing quotation"],
    [7, " ", "Empty command"],
    [9, "migasfree", "Agent 9 not found on this server"],
    ["x", "migasfree", "Agent None not found on this server"],
  ];
  for (const [at, [id, text, error]] of wishes.entries()) {
    operator.execute(id, `exec-${at}`, text);
    await operator.heard("exec_error", at + 1);
    expect(operator.all("exec_error")[at]).toEqual({
      type: "exec_error",
      exec_id: `exec-${at}`,
      error,
    });
  }
});

test("an operator hears an error when the agent is lost in the middle of a command", async () => {
  const { agent, id, operator } = await command("migasfree sync");
  output(agent, id, "stdout", "half");
  await operator.heard("exec_output");
  agent.link.terminate();
  await operator.heard("exec_error");
  expect(operator.all("exec_complete")).toEqual([]);
});

test("a command whose operator is lost frees all that it held", async () => {
  const { agent, bench, id, operator } = await command("migasfree sync");
  operator.link.terminate();
  await until(() => bench.gateway.tunnelCount === 0);
  // Its agent cannot be told, and speaks on to nobody.
  output(agent, id, "stdout", "x".repeat(1_000));
  agent.say({ type: "exec_complete", "exec_id": id, "exit_code": 0 });
  await settle();
  expect(agent.end).toBeUndefined();
  expect(bench.clock.sleeperCount).toBe(0);
});

test("commands of one link are sixteen at once, each id once", async () => {
  const limits = {
    ...LIMITS,
    tunnelsPerOperatorMax: 32,
    tunnelsPerDeviceMax: 32,
  };
  const bench = await V1GatewayBench.create({ limits });
  const agent = await bench.agent(7);
  const operator = await bench.operator();
  operator.execute(7, "exec-1", "migasfree");
  operator.execute(7, "exec-1", "migasfree");
  expect(await operator.heard("exec_error")).toMatchObject({
    error: "There is one with this id",
  });
  for (let at = 2; at <= 17; at++) operator.execute(7, `e-${at}`, "migasfree");
  expect(await operator.heard("exec_error", 2)).toMatchObject({
    error: "Over 16 commands at once",
  });
  await agent.heard("execute_command", 16);
});

test("a command whose output nobody reads waits, and slows nobody", async () => {
  const { agent, bench, id, operator } = await command("migasfree big");
  const other = await bench.operator();
  operator.atGateway.block();
  const line = "x".repeat(32 * 1024);
  for (let at = 0; at < 512; at++) {
    output(agent, id, "stdout", line);
    await bench.clock.advance(20);
  }
  expect(operator.atGateway.bufferedBytes).toBeLessThan(4 * 1024 * 1024);
  other.start(7, "cli-1");
  await until(() => agent.all("start_tcp_tunnel").length > 0);
  operator.atGateway.unblock();
  agent.say({ type: "exec_complete", "exec_id": id, "exit_code": 0 });
  await operator.heard("exec_complete");
  const gotBytes = operator.all("exec_output")
    .reduce((sum, { data }) => sum + String(data).length, 0);
  expect(gotBytes).toBe(512 * line.length);
});
