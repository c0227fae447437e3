import { expect, test } from "bun:test";
import { Fault } from "../../src/protocol/fault.ts";
import type { ReopenPorts } from "../../src/transport/reopen.ts";
import { abortListenerCount } from "../support/leak_check.ts";
import { ManualClock, settle } from "../support/manual_clock.ts";
import { joinedText, ResumeSide } from "./resume_bench.ts";

const { ANEW } = ResumeSide;
const UNREACHABLE = new Fault("gatewayUnreachable", "Nobody is there");
const RETURN_TICKET = { "resume_token": "token.open", "detach_ms": 30_000 };

/** An end that has dialed, and that nobody has joined yet. */
class Bench {
  readonly clock = new ManualClock();
  readonly side = new ResumeSide();

  constructor(reopen: Pick<ReopenPorts, "leftAtMs" | "returnTicket"> = {}) {
    this.side.reopen = reopen;
    this.side.start(this.clock);
  }

  /** The gateway closes the last link, or it is lost. */
  async end(code = 1006): Promise<void> {
    const { dials, first } = this.side;
    const { far, wire } = dials.at(-1)?.links ?? first;
    if (code === 1006) wire.cut();
    else far.close(code, "");
    await settle();
    await this.clock.advance(1_000);
  }

  async accept(): Promise<void> {
    this.side.lastDial.accept();
    await settle();
  }

  get tokens(): string[] {
    return this.side.dials.map(({ token }) => token);
  }

  expectReleased(): void {
    const { budget, stop } = this.side;
    expect(budget.takenBytes).toBe(0);
    expect(this.clock.sleeperCount).toBe(0);
    expect(abortListenerCount(stop.signal)).toBe(0);
  }
}

const LOSSES = [1006, 4002, 4003, 4408, 4420];

test("an end whose link is lost before it is joined asks anew, and works", async () => {
  for (const loss of LOSSES) {
    const bench = new Bench();
    await bench.end(loss);
    await bench.accept();
    await bench.end(loss);
    await bench.accept();
    expect([bench.side.ending, bench.tokens])
      .toEqual(["not yet", [ANEW, ANEW]]);
    const { far } = bench.side.lastDial.links;
    const heard: (string | Uint8Array)[] = [];
    far.handle({
      message: (message) => heard.push(message),
      drain: () => undefined,
      closed: () => undefined,
    });
    far.send(joinedText(1));
    bench.side.socket.say("hello");
    await settle();
    expect(heard).toEqual([new TextEncoder().encode("hello")]);
    expect(bench.side.news).toEqual([]);
    bench.side.stop.abort(new Fault("agentStopping", "Stop"));
    await settle();
    bench.expectReleased();
  }
});

test("an end that is refused before it was joined ends with the reason", async () => {
  const closes = [
    ...[[4404, "deviceOffline"], [4412, "ticketInvalid"]] as const,
    ...[[4416, "serviceRefused"], [4429, "quotaExceeded"]] as const,
  ];
  for (const [close, code] of closes) {
    const bench = new Bench({ returnTicket: RETURN_TICKET });
    await bench.end(close);
    expect([bench.side.ending, bench.tokens]).toEqual([code, []]);
    bench.expectReleased();
  }
});

test("an end that asks anew is patient with a device that is not back yet, but not for ever", async () => {
  const bench = new Bench();
  bench.side.dialed = (dial) => {
    dial.accept();
    dial.links.far.close(4404, "Device 7 is offline");
  };
  await bench.end();
  await bench.clock.advance(13_000);
  expect([bench.side.ending, bench.tokens.length > 20])
    .toEqual(["not yet", true]);
  await bench.clock.advance(2_000);
  expect([bench.side.ending, bench.side.socket.calls])
    .toEqual(["deviceOffline", ["reset"]]);
  bench.expectReleased();
});

test("an end that asks anew waits longer and longer for a gateway that is away", async () => {
  const bench = new Bench();
  bench.side.dialed = (dial) => dial.fail(UNREACHABLE);
  bench.side.first.wire.cut();
  await settle();
  for (let second = 0; second < 15; second++) await bench.clock.advance(1_000);
  expect(bench.side.ending).toBe("gatewayUnreachable");
  const gapsMs = bench.side.dials.slice(0, 6).map(({ atMs }, index) =>
    atMs - (bench.side.dials[index - 1]?.atMs ?? 0)
  );
  expect(gapsMs).toEqual([50, 50, 100, 200, 400, 500]);
  bench.expectReleased();
});

test("an end whose ticket was used by the link that it lost comes back with its token", async () => {
  const bench = new Bench({ returnTicket: RETURN_TICKET });
  await bench.end();
  await bench.accept();
  await bench.end(4412);
  expect([bench.side.ending, bench.tokens])
    .toEqual(["not yet", [ANEW, "token.open"]]);
  expect(bench.side.news).toEqual(["lost linkLost"]);
  const { far } = bench.side.lastDial.accept();
  const heard: unknown[] = [];
  far.handle({
    message: (message) => heard.push(message),
    drain: () => undefined,
    closed: () => undefined,
  });
  far.send(joinedText(2));
  await settle();
  expect(heard).toEqual([JSON.stringify({ type: "resume", offset: 0 })]);
  far.send(heard[0] as string);
  bench.side.socket.say("hello");
  await settle();
  expect(heard.at(-1)).toEqual(new TextEncoder().encode("hello"));
  bench.side.stop.abort(new Fault("agentStopping", "Stop"));
  await settle();
  bench.expectReleased();
});

test("an end waits for the other one no longer than its token says", async () => {
  const bench = new Bench({ returnTicket: RETURN_TICKET });
  bench.side.dialed = (dial) => {
    if (dial.token !== ANEW) dial.fail(UNREACHABLE);
  };
  await bench.end();
  await bench.accept();
  await bench.end(4412);
  await bench.clock.advance(28_000);
  expect(bench.side.ending).toBe("not yet");
  await bench.clock.advance(2_000);
  expect(bench.side.ending).toBe("linkLost");
  bench.expectReleased();
});

test("an end that is told to stop while it asks anew ends at once", async () => {
  for (const isAccepted of [false, true]) {
    const bench = new Bench();
    await bench.end();
    if (isAccepted) await bench.accept();
    const codes: number[] = [];
    bench.side.lastDial.links.far.handle({
      message: () => undefined,
      drain: () => undefined,
      closed: ({ code }) => codes.push(code),
    });
    bench.side.stop.abort(new Fault("agentStopping", "Stop"));
    await settle();
    expect([bench.side.ending, codes])
      .toEqual(["agentStopping", isAccepted ? [4000] : []]);
    bench.expectReleased();
  }
});

test("an end waits for the place of a tunnel of its own that has just ended", async () => {
  const bench = new Bench({ leftAtMs: () => -1_999 });
  await bench.end(4429);
  await bench.accept();
  await bench.end(4429);
  await bench.accept();
  expect([bench.side.ending, bench.tokens]).toEqual(["not yet", [ANEW, ANEW]]);
  await bench.end(4416);
  expect(bench.side.ending).toBe("serviceRefused");
  bench.expectReleased();
});

test("an end waits for a place no longer than 2 s, and for none that it has not left", async () => {
  const bench = new Bench({ leftAtMs: () => bench.clock.now() });
  bench.side.dialed = (dial) => {
    dial.accept();
    dial.links.far.close(4429, "Enough");
  };
  await bench.end(4429);
  await bench.clock.advance(1_000);
  expect(bench.side.ending).toBe("quotaExceeded");
  bench.expectReleased();
  const other = new Bench({ leftAtMs: () => -2_000 });
  await other.end(4429);
  expect([other.side.ending, other.tokens]).toEqual(["quotaExceeded", []]);
});
