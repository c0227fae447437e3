import { expect, test } from "bun:test";
import { settle } from "../support/manual_clock.ts";
import { V1Bench } from "./v1_bench.ts";

const SYNC = {
  type: "execute_command",
  "exec_id": "e",
  command: "migasfree sync",
  "client_cn": "ana",
};

/** Sends a command, and waits as long as the agent does. */
async function order(bench: V1Bench, more: object = {}): Promise<void> {
  await bench.link.say({ ...SYNC, ...more });
  await bench.clock.advance(100);
}

/** What was said of commands. */
function said(bench: V1Bench) {
  return bench.link.heard.filter(({ type }) => String(type).startsWith("exec"));
}

function output(data: string, stream = "stdout") {
  return { type: "exec_output", "exec_id": "e", stream, data };
}

function error(error: string) {
  return { type: "exec_error", "exec_id": "e", error };
}

test("item 21: a command is split into words, and refused in upstream's words", async () => {
  await using bench = await V1Bench.online();
  await order(bench, { command: " migasfree  'sync' " });
  expect(bench.commands.last.argv).toEqual(["migasfree", "sync"]);
  bench.commands.last.exit(0);
  const refused = [
    ["sync 'x", "Invalid command syntax: No closing quotation"],
    ["  ", "Empty command"],
    ["rm -rf /", 'Command "rm" not allowed. Allowed: migasfree'],
    [
      "migasfree sync; id",
      'Command "migasfree "sync;" id" not allowed. ' +
      "Allowed: migasfree sync",
    ],
  ] as const;
  for (const [command] of refused) await order(bench, { command });
  expect(said(bench).slice(1)).toEqual(refused.map(([, why]) => error(why)));
  expect(bench.commands.started).toHaveLength(1);
});

test("item 21: an agent without a remote command says so", async () => {
  await using bench = await V1Bench.online({ commands: undefined });
  await order(bench);
  expect(said(bench)).toEqual([
    error('Command "migasfree" not allowed. Allowed: nothing'),
  ]);
});

test("no answer is so fast that the relay would lose it", async () => {
  await using bench = await V1Bench.online();
  await bench.link.say({ ...SYNC, command: "" });
  await bench.clock.advance(99);
  expect(said(bench)).toEqual([]);
  await bench.clock.advance(1);
  expect(said(bench)).toHaveLength(1);
});

test("item 22: output goes as it comes, no character is split, and one end follows", async () => {
  await using bench = await V1Bench.online();
  await order(bench);
  const { sink } = bench.commands.last;
  const [euro1 = 0, euro2 = 0, euro3 = 0] = new TextEncoder().encode("€");
  sink.output("stdout", Uint8Array.of(0xef, 0xbb, 0xbf, euro1));
  sink.output("stderr", new TextEncoder().encode("oh"));
  sink.output("stdout", Uint8Array.of(euro2));
  sink.output("stdout", Uint8Array.of(euro3, 0x0d, 0xff));
  sink.output("stdout", Uint8Array.of(euro1, euro2));
  bench.commands.last.exit(3);
  await settle();
  expect(said(bench)).toEqual([
    output("\ufeff"),
    output("oh", "stderr"),
    output("€\r\ufffd"),
    output("\ufffd"),
    { type: "exec_complete", "exec_id": "e", "exit_code": 3 },
  ]);
});

test("item 22: a command that a signal ends is an error, and said once", async () => {
  await using bench = await V1Bench.online();
  await order(bench);
  bench.commands.last.die("SIGKILL");
  await settle();
  expect(said(bench)).toEqual([error("Command ended by SIGKILL")]);
});

test("item 24: commands run at once, up to the limit, and count as tunnels", async () => {
  await using bench = await V1Bench.online({ tunnelsMax: 3 });
  await order(bench);
  await order(bench);
  await order(bench, { "exec_id": "f" });
  await order(bench, { "exec_id": "g" });
  expect(said(bench)).toMatchObject([
    error("There is a command with this id"),
    { type: "exec_error", "exec_id": "g" },
  ]);
  expect(bench.agent.state.tunnels).toMatchObject([
    { id: "e", service: "exec", operator: "ana (not verified)" },
    { id: "f" },
  ]);
  for (const command of bench.commands.started) command.exit(0);
  await settle();
  expect(bench.agent.state.tunnels).toEqual([]);
  expect(bench.link.of("exec_complete")).toHaveLength(2);
});

test("a command waits while its output cannot leave", async () => {
  await using bench = await V1Bench.online();
  await order(bench);
  const { near } = bench.link.links;
  near.block();
  const piece = "x".repeat(30_000);
  let count = 0;
  for (; !bench.commands.last.calls.includes("pause") && count < 99; count++) {
    bench.commands.last.write("stdout", piece);
  }
  expect(count * piece.length).toBeGreaterThan(1024 * 1024);
  expect(count * piece.length).toBeLessThan(1100 * 1024);
  near.unblock();
  await settle();
  await settle();
  expect(bench.commands.last.calls).toEqual(["pause", "resume"]);
  expect(said(bench)).toHaveLength(count);
});

test("the loss of the link ends what runs, and what was about to", async () => {
  await using bench = await V1Bench.online();
  await order(bench);
  await bench.link.say({ ...SYNC, "exec_id": "f" });
  bench.link.links.wire.cut();
  await settle();
  expect(bench.commands.last.calls).toEqual(["abandon"]);
  await bench.clock.advance(1_000);
  expect(bench.commands.started).toHaveLength(1);
  expect(bench.agent.state.tunnels).toEqual([]);
});

test("a stop tells whoever waits for a command", async () => {
  const bench = await V1Bench.online();
  await order(bench);
  const { link } = bench;
  await bench.stop();
  expect(link.of("exec_error")).toEqual([error("The agent was stopped")]);
  expect(bench.commands.last.calls).toEqual(["abandon"]);
});

test("a flood of commands is refused beyond what may wait", async () => {
  await using bench = await V1Bench.online();
  for (let index = 0; index < 70; index++) {
    await bench.link.say({ ...SYNC, "exec_id": `e${index}`, command: "" });
  }
  const flood = bench.link.of("exec_error");
  expect(flood).toHaveLength(6);
  expect(flood[0]).toEqual({
    type: "exec_error",
    "exec_id": "e64",
    error: "Too many commands at once",
  });
  await bench.clock.advance(100);
  expect(bench.link.of("exec_error")).toHaveLength(70);
  await order(bench);
  expect(bench.commands.started).toHaveLength(1);
});
