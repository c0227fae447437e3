import { expect, test } from "bun:test";
import { CommandRunner } from "../../src/agent/command_runner.ts";
import { Fault } from "../../src/protocol/fault.ts";
import type { ExecHearer } from "../../src/transport/exec_server.ts";
import { ListLog } from "../support/list_log.ts";
import { ManualClock, settle } from "../support/manual_clock.ts";
import { FakeCommands } from "./fake_command.ts";

const CALLER = { tunnelId: "t1", operator: "ana" };
const SYNC = { argv: ["migasfree", "sync"] };

class Owner implements ExecHearer {
  readonly heard: string[] = [];

  output(output: string, chunk: Uint8Array): void {
    this.heard.push(`${output} ${new TextDecoder().decode(chunk)}`);
  }

  ended(exit: object): void {
    this.heard.push(`ended ${JSON.stringify(exit)}`);
  }

  failed({ code, message }: Fault): void {
    this.heard.push(`failed ${code}: ${message}`);
  }
}

function bench(rules: { concurrentMax?: number; timeoutMs?: number } = {}) {
  const commands = new FakeCommands();
  const clock = new ManualClock();
  const log = new ListLog();
  const runner = new CommandRunner(
    { allow: [SYNC.argv], timeoutMs: 60_000, concurrentMax: 2, ...rules },
    { clock, log, startCommand: commands.startCommand },
  );
  return { commands, clock, log, runner, owner: new Owner() };
}

function faultOf(work: () => unknown): string {
  try {
    work();
    return "none";
  } catch (error) {
    const { code, message } = Fault.from(error);
    return `${code}: ${message}`;
  }
}

test("CommandRunner tells the output and the end, with a line at start and end", async () => {
  const { commands, clock, log, runner, owner } = bench();
  runner.run(SYNC, CALLER, owner);
  commands.last.write("stdout", "50 %\r");
  commands.last.write("stderr", "oh");
  await clock.advance(1_500);
  commands.last.exit(3);
  await settle();
  expect(owner.heard)
    .toEqual(["stdout 50 %\r", "stderr oh", 'ended {"code":3}']);
  const who = '"tunnelId":"t1","operator":"ana","argv":"migasfree sync"';
  expect(log.lines).toEqual([
    `exec.start {${who}}`,
    `exec.end {${who},"exit":"3","ms":1500,"stdoutBytes":5,"stderrBytes":2,"code":"ok"}`,
  ]);
  expect(clock.sleeperCount).toBe(0);
});

test("CommandRunner starts nothing that is not allowed, and says so once", () => {
  const { commands, log, runner, owner } = bench();
  const argv = ["sh", "-c", "id"];
  expect(faultOf(() => runner.run({ argv }, CALLER, owner)))
    .toStartWith("execRefused: Cannot run sh -c id: ");
  expect(commands.started).toEqual([]);
  expect(log.lines).toEqual([
    expect.stringMatching(/^exec\.refused .*"argv":"sh -c id".* execRefused: /),
  ]);
  expect(owner.heard).toEqual([]);
});

test("CommandRunner runs no more at once than it may, until one has ended", () => {
  const { commands, runner, owner } = bench();
  runner.run(SYNC, CALLER, owner);
  runner.run(SYNC, CALLER, owner);
  expect(faultOf(() => runner.run(SYNC, CALLER, owner))).toBe(
    "quotaExceeded: Cannot run migasfree sync: " +
      "2 commands run already, the limit",
  );
  commands.last.exit(0);
  expect(faultOf(() => runner.run(SYNC, CALLER, owner))).toBe("none");
});

for (
  const { asked, limit, ends } of [
    { asked: undefined, limit: 60_000, ends: 60_000 },
    { asked: 1_000, limit: 60_000, ends: 1_000 },
    { asked: 120_000, limit: 60_000, ends: 60_000 },
  ]
) {
  test(`CommandRunner ends a command after ${ends} ms if ${asked} was asked of ${limit}`, async () => {
    const { commands, clock, log, runner, owner } = bench({ timeoutMs: limit });
    runner.run({ ...SYNC, timeoutMs: asked }, CALLER, owner);
    await clock.advance(ends - 1);
    expect(commands.last.calls).toEqual([]);
    await clock.advance(1);
    expect(commands.last.calls).toEqual(["stop"]);
    commands.last.write("stdout", "last words");
    commands.last.die("SIGTERM");
    expect(owner.heard).toEqual([
      "stdout last words",
      "failed execTimedOut: Ended migasfree sync: " +
      `it ran for more than ${ends / 1_000} s, its limit`,
    ]);
    expect(log.lines.at(-1)).toContain('"exit":"SIGTERM"');
    expect(log.lines.at(-1)).toContain('"code":"execTimedOut"');
  });
}

test("CommandRunner ends what runs when it is disposed, waits for it and takes nothing new", async () => {
  const { commands, runner, owner } = bench();
  runner.run(SYNC, CALLER, owner);
  let isDisposed = false;
  const disposing = runner[Symbol.asyncDispose]().then(() => {
    isDisposed = true;
  });
  await settle();
  expect([commands.last.calls, isDisposed]).toEqual([["stop"], false]);
  expect(faultOf(() => runner.run(SYNC, CALLER, owner)))
    .toBe("agentStopping: The agent of this device is stopping");
  // It has ended for its operator, but its group is still there.
  commands.last.sink.ended({ signal: "SIGTERM" });
  await settle();
  expect(isDisposed).toBeFalse();
  commands.last.leave();
  await disposing;
  expect(commands.started.length).toBe(1);
});

test("CommandRunner takes no place for a program that is not there", () => {
  const { clock, log, owner } = bench();
  const startCommand = () => {
    throw new Fault("programMissing", "Cannot start migasfree");
  };
  const rules = { allow: [SYNC.argv], timeoutMs: 1, concurrentMax: 1 };
  const runner = new CommandRunner(rules, { clock, log, startCommand });
  for (let i = 0; i < 2; i++) {
    expect(faultOf(() => runner.run(SYNC, CALLER, owner)))
      .toBe("programMissing: Cannot start migasfree");
  }
  expect([log.lines.length, clock.sleeperCount]).toEqual([2, 0]);
});
