import { expect, test } from "bun:test";
import { runRemoteCommand } from "../../src/connect/exec.ts";
import { Fault } from "../../src/protocol/fault.ts";
import { ListOutlet } from "./exec_bench.ts";
import { answerAsUpstream, V1Bench } from "./v1_bench.ts";

class Command {
  readonly bench = new V1Bench();
  readonly outlet = new ListOutlet();
  readonly cancelled = new AbortController();
  outcome = "not yet";

  constructor() {
    this.bench.site.isOld = true;
    const relay = "wss://mf.test/tunnel";
    this.bench.page("/7", { id: 7, name: "pc7", services: [], relay });
  }

  async run(
    argv = ["migasfree", "info", "a b"],
    timeoutMs = 60_000,
  ): Promise<void> {
    const ports = { ...this.bench.ports, outlet: this.outlet };
    const start = { argv, "timeout_ms": timeoutMs };
    runRemoteCommand(7, start, ports, this.cancelled.signal).then(
      (exit) => this.outcome = JSON.stringify(exit),
      (error: unknown) => this.outcome = Fault.from(error).code,
    );
    await this.bench.settle();
  }

  async say(type: string, more: object): Promise<void> {
    const { relay } = this.bench;
    const id = relay.heard("execute_command")[0]?.["exec_id"];
    relay.say({ type, "exec_id": id, ...more });
    await this.bench.settle();
  }
}

test("items 56, 57, 63: a command is asked for, its output and its status come back", async () => {
  const command = new Command();
  await command.run();
  const { relay } = command.bench;
  expect(relay.headers).toEqual({ "X-Agent-ID": "7" });
  expect(relay.said).toEqual([
    { type: "connect_client", mode: "exec" },
    {
      type: "execute_command",
      id: 7,
      "exec_id": expect.stringMatching(/^exec-[0-9a-f]{32}$/) as unknown,
      command: "migasfree info 'a b'",
      "client_cn": "alice",
    },
  ]);
  await command.say("exec_output", { stream: "stdout", data: "10 %\r" });
  await command.say("exec_output", { stream: "stderr", data: "Größe\n" });
  await command.say("exec_complete", { "exit_code": 3 });
  expect(command.outlet.written).toEqual(["stdout 10 %\r", "stderr Größe\n"]);
  expect([command.outcome, relay.end]).toEqual(['{"code":3}', 1000]);
});

test("item 63: a command that ends within one breath loses nothing", async () => {
  const command = new Command();
  command.bench.answer = (said, relay) => {
    answerAsUpstream(said, relay);
    const { exec_id } = said;
    if (said["type"] !== "execute_command") return;
    relay.say({ type: "exec_output", exec_id, stream: "stdout", data: "all" });
    relay.say({ type: "exec_complete", exec_id, "exit_code": 0 });
  };
  await command.run();
  expect([command.outcome, command.outlet.written])
    .toEqual(['{"code":0}', ["stdout all"]]);
});

test("item 63: it fails when the link is lost, and when its time is over", async () => {
  const lost = new Command();
  await lost.run();
  lost.bench.relay.link.terminate();
  await lost.bench.settle();
  const late = new Command();
  await late.run();
  await late.bench.clock.advance(60_000);
  await late.bench.settle();
  expect([lost.outcome, late.outcome]).toEqual(["linkLost", "execTimedOut"]);
});

test("Ctrl-C ends the waiting", async () => {
  const command = new Command();
  await command.run();
  command.cancelled.abort(new Fault("tunnelCancelled", "Stopped by SIGINT"));
  await command.bench.settle();
  expect([command.outcome, command.bench.relay.end])
    .toEqual(["tunnelCancelled", 1000]);
});

test("item 58: a command, too, looks for the relay that has the agent", async () => {
  const command = new Command();
  let count = 0;
  command.bench.answer = (said, relay) => {
    const { exec_id } = said;
    if (said["type"] === "execute_command" && ++count < 3) {
      const error = "Agent 7 not found on this server";
      return relay.say({ type: "exec_error", exec_id, error });
    }
    answerAsUpstream(said, relay);
  };
  await command.run();
  await command.bench.clock.advance(1_000);
  await command.say("exec_complete", { "exit_code": 0 });
  expect([command.bench.relays.length, command.outcome])
    .toEqual([3, '{"code":0}']);
});

test("what the agent refuses is said in its own words", async () => {
  const command = new Command();
  await command.run(["rm", "-rf", "/"]);
  await command.say("exec_error", { error: 'Command "rm" not allowed' });
  expect(command.outcome).toBe("execRefused");
});

test("output that nobody reads slows the relay down, and ends at a limit", async () => {
  const command = new Command();
  await command.run(["migasfree", "sync"], 86_400_000);
  command.outlet.isFull = true;
  const data = "x".repeat(60_000);
  for (let i = 0; i < 1_200 && command.outcome === "not yet"; i++) {
    await command.say("exec_output", { stream: "stdout", data });
    await command.bench.clock.advance(1_000);
  }
  expect(command.outcome).toBe("quotaExceeded");
});
