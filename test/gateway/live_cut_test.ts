import { afterEach, expect, test } from "bun:test";
import type { FaultConnection } from "../support/fault_relay.ts";
import { LiveSite } from "../support/live_site.ts";
import type { MemorySocket } from "../support/memory_socket.ts";

const REQUEST = pattern(100_000);
const ANSWER = pattern(170_000).reverse();
const CHUNK_BYTES = 20_000;
/** A tunnel that is never cut needs fewer messages than this on each leg. */
const CUTS_MAX_COUNT = 60;
const DETACH_MS = 60_000;
/** For tunnels that get nowhere. */
const SHORT_DETACH_MS = 300;

let site: LiveSite | undefined;

afterEach(async () => {
  await site?.[Symbol.asyncDispose]();
  site = undefined;
});

function pattern(size: number): Uint8Array {
  return Uint8Array.from({ length: size }, (_, i) => (i * 7 + (i >> 8)) & 0xff);
}

function sayAll(socket: MemorySocket, bytes: Uint8Array): void {
  for (let at = 0; at < bytes.length; at += CHUNK_BYTES) {
    socket.say(bytes.subarray(at, at + CHUNK_BYTES));
  }
  socket.sayEnd();
}

function isPrefix(part: Uint8Array, whole: Uint8Array): boolean {
  return Buffer.compare(part, whole.subarray(0, part.byteLength)) === 0;
}

/** How one exchange over the site went. */
interface Run {
  readonly endings: readonly [near: string, far: string];
  /** Messages of the first link that was to be cut. */
  readonly firstCount: number;
  readonly linkCount: number;
}

/** A request, and an answer once it has ended; what arrived is checked. */
async function exchange(
  live: LiveSite,
  who: "agent" | "operator",
  cutAt: number,
  isForEver: boolean,
): Promise<Run> {
  const links: FaultConnection[] = [];
  live.shape = (role, connection) => {
    if (role !== who) return;
    links.push(connection);
    if (links.length === 1 || isForEver) connection.cutAtCount = cutAt;
  };
  const opening = live.open();
  const { far, near, results } = await opening;
  far.script = { end: () => sayAll(far, ANSWER) };
  sayAll(near, REQUEST);
  const [nearResult, farEnding] = await results;
  const endings = [nearResult.fault?.code ?? "ok", farEnding] as const;
  expect([cutAt, isPrefix(far.received, REQUEST)]).toEqual([cutAt, true]);
  expect([cutAt, isPrefix(near.received, ANSWER)]).toEqual([cutAt, true]);
  const whole = [ANSWER.byteLength, REQUEST.byteLength];
  for (const [index, { received }] of [near, far].entries()) {
    if (endings[index] === "ok") {
      expect(received.byteLength).toBe(whole[index] ?? 0);
    }
  }
  const firstCount = links[0]?.messageCount ?? 0;
  return { endings, firstCount, linkCount: links.length };
}

for (const who of ["operator", "agent"] as const) {
  test(
    `a tunnel comes back from a cut at each message of the ${who}'s link, byte for byte`,
    async () => {
      site = await LiveSite.create(DETACH_MS);
      let cuts = 1;
      for (;; cuts++) {
        expect(cuts).toBeLessThan(CUTS_MAX_COUNT);
        const run = await exchange(site, who, cuts, false);
        expect({ cuts, endings: run.endings })
          .toEqual({ cuts, endings: ["ok", "ok"] });
        if (run.firstCount < cuts) break;
      }
      // Its joined, twelve with bytes, two ends, their acks, two goodbyes.
      expect(cuts).toBeGreaterThan(15);
    },
  );

  test(
    `a tunnel ends, and is never wrong, when every link of the ${who} is cut at the same message`,
    async () => {
      site = await LiveSite.create(SHORT_DETACH_MS);
      const seen = new Set<boolean>();
      for (let cuts = 1;; cuts++) {
        expect(cuts).toBeLessThan(CUTS_MAX_COUNT);
        const run = await exchange(site, who, cuts, true);
        seen.add(run.endings.join() === "ok,ok");
        if (run.linkCount === 1) break;
      }
      expect([...seen].toSorted()).toEqual([false, true]);
    },
  );
}

test("a tunnel whose link is cut before it was joined ends at both ends", async () => {
  site = await LiveSite.create(SHORT_DETACH_MS);
  for (const who of ["operator", "agent"] as const) {
    const { endings } = await exchange(site, who, 0, false);
    expect(endings.toSorted()).toEqual(["linkLost", "peerGone"]);
  }
});
