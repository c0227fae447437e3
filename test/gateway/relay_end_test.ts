import { expect, test } from "bun:test";
import { Fault, FAULTS } from "../../src/protocol/fault.ts";
import { HEARTBEAT_TEXT } from "../../src/protocol/stream_message.ts";
import { abortListenerCount } from "../support/leak_check.ts";
import { settle } from "../support/manual_clock.ts";
import { RelayBench, startedRelay } from "./relay_bench.ts";

const SIDES = [["operator", "agent"], ["agent", "operator"]] as const;

/** Nothing is left of a relay: neither links nor whoever waits. */
function expectReleased(bench: RelayBench): void {
  const { operator, agent } = bench;
  const states = [operator, agent].map((end) => end.atGateway.state);
  expect(states).toEqual(["closed", "closed"]);
  expect(abortListenerCount(bench.stop.signal)).toBe(0);
}

for (const [who, other] of SIDES) {
  test(`relay() passes the ${who}'s clean end on`, async () => {
    await using bench = startedRelay();
    bench[who].own.send("last words");
    bench[who].own.close(1000, "");
    await settle();
    expect(bench[other].heard).toEqual(["last words"]);
    expect(bench[other].end).toEqual({ code: 1000, reason: "" });
    expect(bench.ending).toBe("cleanly");
    expectReleased(bench);
  });

  test(`relay() passes the ${who}'s fault on, with its reason`, async () => {
    await using bench = startedRelay();
    bench[who].own.close(FAULTS.streamReset.closeCode, "It broke off");
    await settle();
    expect(bench[other].end)
      .toEqual({ code: FAULTS.streamReset.closeCode, reason: "It broke off" });
    expect(bench.ending).toBe("streamReset: It broke off");
    expectReleased(bench);
  });

  test(`relay() passes a hostile reason of the ${who} on as plain text`, async () => {
    await using bench = startedRelay();
    bench[who].own.close(FAULTS.streamReset.closeCode, "\u001b[2J\r\n");
    await settle();
    expect(bench[other].end?.reason).toBe("?[2J??");
  });

  test(`relay() tells the other side that the ${who} has gone when its link breaks`, async () => {
    await using bench = startedRelay();
    bench[who].links.wire.cut();
    await settle();
    expect(bench[other].end).toEqual({
      code: FAULTS.peerGone.closeCode,
      reason: `The ${who}'s link broke off`,
    });
    expect(bench.ending).toBe("linkLost: The link broke off (code 1006)");
    expectReleased(bench);
  });

  test(`relay() ends when the ${who} goes silent, and tells the other side`, async () => {
    await using bench = startedRelay();
    bench[who].links.wire.swallow();
    for (let i = 0; i < 3; i++) {
      bench[other].own.send(HEARTBEAT_TEXT);
      await bench.clock.advance(15_500);
    }
    await bench.clock.advance(0);
    expect(bench[other].end).toEqual({
      code: FAULTS.peerGone.closeCode,
      reason: `The ${who}'s link broke off`,
    });
    expect(bench.ending).toBe("linkSilent: The link was silent for 45 s");
    expectReleased(bench);
  });

  test(`relay() ends at once when the ${who}'s link was already over`, async () => {
    await using bench = new RelayBench();
    bench[who].links.wire.cut();
    bench.start();
    await settle();
    expect(bench[other].end?.code).toBe(FAULTS.peerGone.closeCode);
    expect(bench.ending).toStartWith("linkLost");
    expectReleased(bench);
  });

  test(`relay() ends although the ${who} was paused, with the other side's fault`, async () => {
    await using bench = startedRelay();
    bench[other].own.pause();
    for (let i = 0; i < 40; i++) bench[who].own.send(new Uint8Array(65_536));
    await settle();
    expect(bench[who].atGateway.isPaused).toBe(true);
    bench[other].links.wire.cut();
    await settle();
    expect(bench[who].end?.code).toBe(FAULTS.peerGone.closeCode);
    expect(bench.ending).toStartWith("linkLost");
    expectReleased(bench);
  });
}

test("relay() closes both links with the reason when it is told to stop", async () => {
  await using bench = startedRelay();
  const fault = new Fault("certificateRevoked", "The certificate is revoked");
  bench.stop.abort(fault);
  await settle();
  const end = {
    code: FAULTS.certificateRevoked.closeCode,
    reason: fault.message,
  };
  expect([bench.operator.end, bench.agent.end]).toEqual([end, end]);
  expect(bench.result?.fault).toBe(fault);
  expectReleased(bench);
});

test("relay() forwards nothing when it was told to stop before", async () => {
  await using bench = new RelayBench();
  bench.stop.abort(new Fault("gatewayDraining", "The gateway is stopping"));
  bench.start();
  await settle();
  const { closeCode } = FAULTS.gatewayDraining;
  expect([bench.operator.end?.code, bench.agent.end?.code])
    .toEqual([closeCode, closeCode]);
  expect(bench.ending).toBe("gatewayDraining: The gateway is stopping");
  expectReleased(bench);
});

test("relay() waits for both links, so that nothing is left when it returns", async () => {
  await using bench = startedRelay();
  bench.agent.own.pause();
  bench.operator.own.close(1000, "");
  await settle();
  expect(bench.agent.atGateway.state).toBe("closing");
  expect(bench.ending).toBe("not yet");
  bench.agent.own.resume();
  await settle();
  expect(bench.ending).toBe("cleanly");
});

test("relay() tells how the first link ended, not the second", async () => {
  await using bench = startedRelay();
  bench.agent.own.close(
    FAULTS.agentStopping.closeCode,
    "The agent is stopping",
  );
  bench.operator.own.terminate();
  await settle();
  expect(["agentStopping", "linkLost"])
    .toContain(bench.result?.fault?.code ?? "");
  await using next = startedRelay();
  next.operator.own.close(1000, "");
  await settle();
  next.agent.own.close(FAULTS.internal.closeCode, "late");
  await settle();
  expect(next.ending).toBe("cleanly");
});

test("relay() stops watching links that are over", async () => {
  await using bench = startedRelay();
  bench.operator.own.close(1000, "");
  await settle();
  const calls: string[] = [];
  for (const { atGateway } of [bench.operator, bench.agent]) {
    atGateway.send = (message) => void calls.push(String(message));
    atGateway.terminate = () => void calls.push("terminate");
  }
  await bench.clock.advance(10 * 60_000);
  expect(calls).toEqual([]);
});
