import { expect, test } from "bun:test";
import { CommandRunner } from "../../src/agent/command_runner.ts";
import { openExec } from "../../src/agent/exec_socket.ts";
import { encodeExecMessage } from "../../src/protocol/exec_frame.ts";
import type { ExecStart } from "../../src/protocol/exec_message.ts";
import { FrameEar } from "../protocol/frame_ear.ts";
import { ListLog } from "../support/list_log.ts";
import { ManualClock, settle } from "../support/manual_clock.ts";
import { FakeCommands } from "./fake_command.ts";

/** Asks for a command; what was started, heard and logged. */
async function ask(start: ExecStart) {
  const commands = new FakeCommands();
  const clock = new ManualClock();
  const log = new ListLog();
  const runner = new CommandRunner(
    { allow: [["migasfree", "sync"]], timeoutMs: 60_000, concurrentMax: 2 },
    { clock, log, startCommand: commands.startCommand },
  );
  const ear = new FrameEar("agent");
  const socket = openExec({ tunnelId: "t1", operator: "ana" }, runner, clock);
  socket.handle({
    data: (chunk) => ear.decode(chunk),
    end: () => undefined,
    drain: () => undefined,
    closed: () => undefined,
  });
  socket.write(encodeExecMessage({ type: "start", start }));
  await settle();
  return { commands, clock, log, ear };
}

test("openExec() runs what the agent's rules allow, for as long as its operator asks", async () => {
  const { commands, clock, log, ear } = await ask({
    argv: ["migasfree", "sync"],
    timeout_ms: 1_000,
  });
  commands.last.write("stdout", "50 %\r");
  await clock.advance(1_000);
  expect(commands.last.calls).toEqual(["stop"]);
  commands.last.die("SIGTERM");
  expect(ear.said).toEqual([
    { type: "stdout", hex: "353020250d" },
    {
      type: "error",
      error: {
        code: "execTimedOut",
        message: "Ended migasfree sync: it ran for more than 1 s, its limit",
      },
    },
  ]);
  expect(log.lines[0]).toContain("operator");
});

test("openExec() tells its operator what the agent's rules allow", async () => {
  const { commands, ear } = await ask({ argv: ["sh"] });
  expect(ear.said).toEqual([{
    type: "error",
    error: {
      code: "execRefused",
      message: "Cannot run sh: this device allows migasfree sync",
    },
  }]);
  expect(commands.started).toEqual([]);
});
