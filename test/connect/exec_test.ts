import { expect, test } from "bun:test";
import { encodeExecOutput } from "../../src/protocol/exec_frame.ts";
import { FAULT_HINTS } from "../../src/protocol/fault_hint.ts";
import { Fault } from "../../src/protocol/fault.ts";
import { settle } from "../support/manual_clock.ts";
import { ExecBench } from "./exec_bench.ts";

const START = {
  type: "start",
  start: { argv: ["migasfree", "sync"], timeout_ms: 1_000 },
};

async function started(): Promise<ExecBench> {
  const bench = new ExecBench();
  bench.start();
  await settle();
  return bench;
}

function bytesOf(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}

test("runRemoteCommand() asks for exec, passes the output on and returns the exit", async () => {
  const bench = await started();
  expect(bench.dialed)
    .toEqual(["wss://gateway.test/tunnel/connect?device=7&service=exec"]);
  expect(bench.heard).toEqual([START]);
  bench.say(encodeExecOutput("stdout", bytesOf("50 %\r")));
  bench.say(encodeExecOutput("stderr", bytesOf("oh\n")));
  await settle();
  expect(bench.outlet.written).toEqual(["stdout 50 %\r", "stderr oh\n"]);
  bench.say({ type: "exit", exit: { code: 3 } });
  bench.device.socket.sayEnd();
  await settle();
  expect(bench.outcome).toBe('{"code":3}');
  expect(bench.device.ending).toBe("cleanly");
  expect(bench.clock.sleeperCount).toBe(0);
});

test("runRemoteCommand() says what the device said instead of an exit", async () => {
  const cases = [
    ["execRefused", FAULT_HINTS.execRefused],
    ["quotaExceeded", "Wait, or raise [exec] concurrent_max in its agent.toml"],
    [
      "programMissing",
      "Install it there, or give its whole path in [exec] allow",
    ],
  ] as const;
  for (const [code, hint] of cases) {
    const bench = await started();
    bench.say({ type: "error", error: { code, message: "Cannot do it" } });
    bench.device.socket.sayEnd();
    await settle();
    expect([bench.outcome, bench.hint]).toEqual([
      `${code}: Cannot do it`,
      hint,
    ]);
    expect(bench.device.ending).toBe("cleanly");
  }
});

test("runRemoteCommand() is not over before all output is taken", async () => {
  const bench = await started();
  bench.outlet.isFull = true;
  bench.say(encodeExecOutput("stdout", bytesOf("x")));
  bench.say({ type: "exit", exit: { code: 0 } });
  bench.device.socket.sayEnd();
  await bench.clock.advance(3_600_000 / 100);
  expect(bench.outcome).toBe("not yet");
  bench.outlet.isFull = false;
  bench.outlet.handlers?.drain();
  await settle();
  expect(bench.outcome).toBe('{"code":0}');
});

test("runRemoteCommand() asks the device to cancel, and returns what came of it", async () => {
  const bench = await started();
  bench.cancel();
  await settle();
  expect(bench.heard).toEqual([START, { type: "cancel" }]);
  await bench.clock.advance(4_999);
  bench.say({ type: "exit", exit: { signal: "SIGTERM" } });
  bench.device.socket.sayEnd();
  await settle();
  expect(bench.outcome).toBe('{"signal":"SIGTERM"}');
  expect(bench.clock.sleeperCount).toBe(0);
});

test("runRemoteCommand() leaves 5 s after it was cancelled, whatever comes", async () => {
  const bench = await started();
  bench.cancel();
  await bench.clock.advance(4_999);
  bench.say(encodeExecOutput("stdout", bytesOf("still here")));
  expect(bench.outcome).toBe("not yet");
  await bench.clock.advance(1);
  expect(bench.outcome).toBe("tunnelCancelled: Stopped by SIGINT");
  expect(bench.device.ending).toBe("tunnelCancelled");
  expect(bench.clock.sleeperCount).toBe(0);
});

test("runRemoteCommand() leaves at once if it is cancelled before the device has answered", async () => {
  const bench = new ExecBench({ isJoined: false });
  bench.start();
  await settle();
  expect(bench.dialed.length).toBe(1);
  bench.cancel();
  await settle();
  expect(bench.outcome).toBe("tunnelCancelled: Stopped by SIGINT");
});

test("runRemoteCommand() has its result if the device does not say goodbye", async () => {
  const bench = await started();
  bench.say({ type: "exit", exit: { code: 0 } });
  await bench.clock.advance(2_999);
  expect(bench.outcome).toBe("not yet");
  await bench.clock.advance(1);
  expect(bench.outcome).toBe('{"code":0}');
});

test("runRemoteCommand() has its result if the link breaks after it", async () => {
  const bench = await started();
  bench.say({ type: "exit", exit: { code: 2 } });
  await settle();
  bench.device.link.terminate();
  await settle();
  expect(bench.outcome).toBe('{"code":2}');
});

test("runRemoteCommand() leaves when nobody takes the output any more", async () => {
  const bench = await started();
  const fault = new Fault("streamReset", "Cannot write: the reader has gone");
  bench.outlet.handlers?.failed(fault);
  await settle();
  expect(bench.outcome).toBe(`streamReset: ${fault.message}`);
  expect(bench.device.ending).toBe("streamReset");
});

const LATE = "Cannot take more than one result";

for (
  const [what, outcome, play] of [
    [
      "an end without a result",
      "messageInvalid",
      (bench: ExecBench) => bench.device.socket.sayEnd(),
    ],
    ["half a frame", "messageInvalid", (bench: ExecBench) => {
      bench.say(Uint8Array.of(19, 0));
      bench.device.socket.sayEnd();
    }],
    [
      "a frame of no type",
      "messageInvalid",
      (bench: ExecBench) => bench.say(Uint8Array.of(99, 0, 0, 0, 0)),
    ],
    [
      "what an operator says",
      "messageUnexpected",
      (bench: ExecBench) => bench.say({ type: "cancel" }),
    ],
    [
      "a broken link",
      "linkLost",
      (bench: ExecBench) => bench.device.link.terminate(),
    ],
  ] as const
) {
  test(`runRemoteCommand() fails with ${outcome} after ${what}`, async () => {
    const bench = await started();
    play(bench);
    await settle();
    expect(bench.outcome).toStartWith(`${outcome}: `);
    expect(bench.clock.sleeperCount).toBe(0);
  });
}

test("runRemoteCommand() keeps its first result when a second comes", async () => {
  const bench = await started();
  bench.say({ type: "exit", exit: { code: 0 } });
  bench.say({ type: "exit", exit: { code: 1 } });
  await settle();
  expect(bench.outcome).toBe('{"code":0}');
  expect(bench.device.result?.fault?.message).toBe(LATE);
});
