import { afterEach, expect, test } from "bun:test";
import type { FaultConnection } from "../support/fault_relay.ts";
import { LiveSite } from "../support/live_site.ts";
import { MemorySocket } from "../support/memory_socket.ts";

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
  readonly endings: readonly [near: string, far: string | undefined];
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
  live.openFar = (far) => {
    far.script = { end: () => sayAll(far, ANSWER) };
  };
  const near = new MemorySocket();
  sayAll(near, REQUEST);
  const { far, farEnding, result } = await live.run(near);
  const endings = [result.fault?.code ?? "ok", farEnding] as const;
  const received = [near.received, far?.received ?? new Uint8Array()] as const;
  for (const [index, whole] of [ANSWER, REQUEST].entries()) {
    const part = received[index] ?? whole;
    expect([cutAt, isPrefix(part, whole)]).toEqual([cutAt, true]);
    if (endings[index] === "ok") {
      expect(part.byteLength).toBe(whole.byteLength);
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
      let cuts = 0;
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
