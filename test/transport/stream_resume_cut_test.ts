import { expect, test } from "bun:test";
import { abortListenerCount } from "../support/leak_check.ts";
import { ManualClock, settle } from "../support/manual_clock.ts";
import { ResumeGateway, type ResumeSide } from "./resume_bench.ts";

const REQUEST = pattern(300_000);
const ANSWER = pattern(500_000).reverse();
const CHUNK_BYTES = 20_000;
/** A run that is never cut needs fewer messages than this on each leg. */
const CUTS_MAX_COUNT = 200;
/** Longer than a detach time; each step is 1 s. */
const STEPS_MAX_COUNT = 100;
const TIMEOUT_MS = 60_000;

function pattern(size: number): Uint8Array {
  return Uint8Array.from({ length: size }, (_, i) => (i * 7 + (i >> 8)) & 0xff);
}

function sayAll({ socket }: ResumeSide, bytes: Uint8Array): void {
  for (let at = 0; at < bytes.length; at += CHUNK_BYTES) {
    socket.say(bytes.subarray(at, at + CHUNK_BYTES));
  }
  socket.sayEnd();
}

function expectPrefix(part: Uint8Array, whole: Uint8Array): void {
  expect(part.byteLength).toBeLessThanOrEqual(whole.byteLength);
  expect(Buffer.compare(part, whole.subarray(0, part.byteLength))).toBe(0);
}

/** A request that is answered when it has ended, and which link to cut. */
class Exchange {
  readonly clock = new ManualClock();
  readonly gateway = new ResumeGateway(this.clock);
  /** Messages that arrived over the first link of the one that is cut. */
  readonly #victim: ResumeSide;

  constructor(who: "near" | "far", cutAt: number, isForEver: boolean) {
    const { near, far } = this.gateway;
    this.#victim = this.gateway[who];
    far.socket.script = { end: () => sayAll(far, ANSWER) };
    this.gateway.shape = (side, { wire }) => {
      const isFirst = side.dials.length === 0;
      if (side === this.#victim && (isFirst || isForEver)) wire.cutAt(cutAt);
    };
    sayAll(near, REQUEST);
    this.gateway.begin();
  }

  get endings(): [near: string, far: string] {
    return [this.gateway.near.ending, this.gateway.far.ending];
  }

  get arrivedCount(): number {
    return this.#victim.first.wire.arrivedCount;
  }

  async run(): Promise<void> {
    for (let step = 0; this.endings.includes("not yet"); step++) {
      expect(step).toBeLessThan(STEPS_MAX_COUNT);
      await settle();
      if (this.endings.includes("not yet")) await this.clock.advance(1_000);
    }
    await settle();
  }

  /** Nothing that a stream held is held any more. */
  expectReleased(): void {
    for (const side of [this.gateway.near, this.gateway.far]) {
      const links = [side.first, ...side.dials.map(({ links }) => links)];
      expect(links.map(({ near }) => near.state))
        .toEqual(links.map(() => "closed"));
      expect([side.socket.isClosed, side.budget.takenBytes]).toEqual([true, 0]);
      expect(abortListenerCount(side.stop.signal)).toBe(0);
    }
    expect(this.clock.sleeperCount).toBe(0);
  }
}

for (const who of ["near", "far"] as const) {
  test(
    `runStream() comes back from a cut at each message of the ${who} link, byte for byte`,
    async () => {
      let cuts = 1;
      for (;; cuts++) {
        expect(cuts).toBeLessThan(CUTS_MAX_COUNT);
        const exchange = new Exchange(who, cuts, false);
        const { near, far } = exchange.gateway;
        await exchange.run();
        const { endings } = exchange;
        expect({ cuts, endings })
          .toEqual({ cuts, endings: ["cleanly", "cleanly"] });
        expect(Buffer.compare(far.socket.received, REQUEST)).toBe(0);
        expect(Buffer.compare(near.socket.received, ANSWER)).toBe(0);
        expect([near.result, far.result]).toMatchObject([
          { sentBytes: 300_000, receivedBytes: 500_000 },
          { sentBytes: 500_000, receivedBytes: 300_000 },
        ]);
        exchange.expectReleased();
        if (exchange.arrivedCount < cuts) break;
        if (near.news.length + far.news.length < 4) continue;
        // Both have lost a link, and at once had another one.
        expect(exchange.gateway.joinedCount).toBe(2);
        expect([near.news, far.news].flat().filter((it) => it === "back 0"))
          .toEqual(["back 0", "back 0"]);
      }
      expect(cuts).toBeGreaterThan(40);
    },
    TIMEOUT_MS,
  );

  test(
    `runStream() ends, and is never wrong, when every ${who} link is cut at the same message`,
    async () => {
      const seen = new Set<string>();
      let cuts = 1;
      for (;; cuts++) {
        expect(cuts).toBeLessThan(CUTS_MAX_COUNT);
        const exchange = new Exchange(who, cuts, true);
        const { near, far } = exchange.gateway;
        await exchange.run();
        expectPrefix(far.socket.received, REQUEST);
        expectPrefix(near.socket.received, ANSWER);
        if (near.ending === "cleanly") {
          expect(near.socket.received.byteLength).toBe(ANSWER.byteLength);
        } else expect(near.socket.calls).toContain("reset");
        if (far.ending === "cleanly") {
          expect(far.socket.received.byteLength).toBe(REQUEST.byteLength);
        } else expect(far.socket.calls).toContain("reset");
        exchange.expectReleased();
        // Who gets nowhere waits ever longer: 2 s at the end, of 60.
        expect(near.dials.length).toBeLessThan(1_000);
        seen.add(exchange.endings.join());
        if (exchange.arrivedCount < cuts) break;
      }
      expect(seen).toContain("cleanly,cleanly");
      expect(seen).toContain(
        who === "near" ? "linkLost,peerGone" : "peerGone,linkLost",
      );
    },
    TIMEOUT_MS,
  );
}
