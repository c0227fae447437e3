import { expect, test } from "bun:test";
import {
  encodeExecMessage,
  type ExecMessage,
} from "../../src/protocol/exec_frame.ts";
import type { ExecStart } from "../../src/protocol/exec_message.ts";
import { Fault } from "../../src/protocol/fault.ts";
import type { ByteSocketHandlers } from "../../src/transport/byte_socket.ts";
import {
  type ExecCommand,
  type ExecHearer,
  serveExec,
} from "../../src/transport/exec_server.ts";
import { FrameEar } from "../protocol/frame_ear.ts";
import { ManualClock, settle } from "../support/manual_clock.ts";
import { FakeCommands } from "../agent/fake_command.ts";

const START = encodeExecMessage({
  type: "start",
  start: { argv: ["migasfree", "sync"] },
});
const CANCEL = encodeExecMessage({ type: "cancel" });

/** The socket of one operator, and what it says to the stream. */
class Bench implements ByteSocketHandlers {
  readonly commands = new FakeCommands();
  readonly clock = new ManualClock();
  /** `end`, and how it closed. */
  readonly events: string[] = [];
  readonly #ear = new FrameEar("agent");
  readonly socket = serveExec(
    (start, hearer) => this.#start(start, hearer),
    this.clock,
  );

  constructor() {
    this.socket.handle(this);
  }

  get said(): unknown[] {
    return this.#ear.said;
  }

  #start({ argv }: ExecStart, hearer: ExecHearer): ExecCommand {
    if (argv[0] === "migasfree") {
      return this.commands.startCommand(argv, hearer);
    }
    throw new Fault("execRefused", `Cannot run ${argv[0]}`);
  }

  say(...messages: ExecMessage[]): void {
    for (const message of messages) {
      this.socket.write(encodeExecMessage(message));
    }
  }

  data(chunk: Uint8Array): void {
    this.#ear.decode(chunk);
  }

  end(): void {
    this.events.push("end");
  }

  drain(): void {
    this.events.push("drain");
  }

  closed(fault: { readonly code: string } | undefined): void {
    this.events.push(`closed ${fault?.code ?? "cleanly"}`);
  }
}

test("serveExec() runs a command, tells its output and exit, and closes when both have ended", async () => {
  const bench = new Bench();
  expect(bench.socket.write(START)).toBeTrue();
  bench.commands.last.write("stdout", "50 %\r");
  bench.commands.last.write("stderr", "ñ");
  expect(bench.said).toEqual([
    { type: "stdout", hex: "353020250d" },
    { type: "stderr", hex: "c3b1" },
  ]);
  bench.commands.last.exit(3);
  await settle();
  expect(bench.said.at(-1)).toEqual({ type: "exit", exit: { code: 3 } });
  expect(bench.events).toEqual(["end"]);
  bench.socket.end();
  await settle();
  expect(bench.events).toEqual(["end", "closed cleanly"]);
  expect(bench.clock.sleeperCount).toBe(0);
});

test("serveExec() goes on after its operator has ended, who can cancel no more", async () => {
  const bench = new Bench();
  bench.socket.write(START);
  bench.socket.end();
  await settle();
  expect([bench.commands.last.calls, bench.events]).toEqual([[], []]);
  bench.commands.last.exit(0);
  await settle();
  expect(bench.events).toEqual(["end", "closed cleanly"]);
});

test("serveExec() stops the command on cancel, and tells how it ended", async () => {
  const bench = new Bench();
  bench.socket.write(START);
  bench.socket.write(CANCEL);
  expect(bench.commands.last.calls).toEqual(["stop"]);
  bench.commands.last.die("SIGTERM");
  // On its way already when the command ended.
  bench.socket.write(CANCEL);
  await settle();
  expect(bench.said).toEqual([{ type: "exit", exit: { signal: "SIGTERM" } }]);
  expect(bench.commands.last.calls).toEqual(["stop"]);
  expect(bench.events).toEqual(["end"]);
});

test("serveExec() tells why a command is refused, after write() has returned", async () => {
  const bench = new Bench();
  bench.say({ type: "start", start: { argv: ["sh"] } });
  bench.socket.end();
  expect([bench.said, bench.events]).toEqual([[], []]);
  await settle();
  expect(bench.said).toEqual([{
    type: "error",
    error: {
      code: "execRefused",
      message: "Cannot run sh",
    },
  }]);
  expect(bench.events).toEqual(["end", "closed cleanly"]);
  expect(bench.commands.started).toEqual([]);
});

test("serveExec() pauses and resumes the command with the stream", () => {
  const bench = new Bench();
  bench.socket.pause();
  bench.socket.write(START);
  bench.socket.resume();
  bench.socket.pause();
  expect(bench.commands.last.calls).toEqual(["pause", "resume", "pause"]);
});

test("serveExec() abandons the command when the operator has gone", async () => {
  const bench = new Bench();
  bench.socket.write(START);
  bench.socket.reset();
  bench.commands.last.write("stdout", "to nobody");
  bench.commands.last.die("SIGTERM");
  await settle();
  expect(bench.commands.last.calls).toEqual(["abandon"]);
  expect(bench.said).toEqual([]);
  expect(bench.events).toEqual(["closed streamReset"]);
  expect(bench.socket.write(CANCEL)).toBeFalse();
});

test("serveExec() leaves alone what has ended when the operator goes", async () => {
  const bench = new Bench();
  bench.socket.write(START);
  bench.commands.last.exit(0);
  bench.socket.reset();
  await settle();
  expect(bench.commands.last.calls).toEqual([]);
  expect(bench.events).toEqual(["end", "closed streamReset"]);
});

test("serveExec() waits 10 s for a command, and no longer", async () => {
  const bench = new Bench();
  await bench.clock.advance(9_999);
  expect(bench.said).toEqual([]);
  await bench.clock.advance(1);
  expect(bench.said).toEqual([{
    type: "error",
    error: { code: "openTimedOut", message: "No command came in 10 s" },
  }]);
  expect(bench.events).toEqual(["end"]);
});

test("serveExec() gives a command that has been asked for all the time it takes", async () => {
  const bench = new Bench();
  bench.socket.write(START);
  await bench.clock.advance(3_600_000);
  expect([bench.said, bench.events]).toEqual([[], []]);
});

const BREACHES: readonly (readonly [string, readonly Uint8Array[], string])[] =
  [
    ["a second start", [START, START], "messageUnexpected"],
    ["cancel before start", [CANCEL], "messageUnexpected"],
    ["half a frame", [START.subarray(0, 9)], "messageInvalid"],
    ["nothing at all", [], "messageInvalid"],
    [
      "a frame of no type",
      [START, Uint8Array.of(9, 0, 0, 0, 0)],
      "messageInvalid",
    ],
    [
      "output of an operator",
      [START, Uint8Array.of(17, 0, 0, 0, 0)],
      "messageUnexpected",
    ],
  ];

for (const [what, chunks, code] of BREACHES) {
  test(`serveExec() breaks off with ${code} after ${what}`, async () => {
    const bench = new Bench();
    for (const chunk of chunks) bench.socket.write(chunk);
    bench.socket.end();
    await settle();
    expect(bench.events).toEqual([`closed ${code}`]);
    const isStarted = chunks.length === 2;
    expect(bench.commands.started.map(({ calls }) => calls))
      .toEqual(isStarted ? [["abandon"]] : []);
    expect(bench.clock.sleeperCount).toBe(0);
  });
}
