import { expect, test } from "bun:test";
import { ManualClock, settle } from "../support/manual_clock.ts";
import { SeededRandom } from "../support/seeded_random.ts";
import type { MemoryWire } from "../support/memory_link.ts";
import { ResumeGateway, type ResumeSide } from "./resume_bench.ts";

const SCHEDULES_COUNT = 600;
const SEED = Number(process.env["RESUME_SEED"] ?? 0x6d66);
/** Later links are not cut: whoever waits long enough gets through. */
const CUT_LINKS_MAX_COUNT = 12;
/** Longer than a detach time; each step is 1 s. */
const STEPS_MAX_COUNT = 100;
const BYTES_MAX_COUNT = 200_000;
const TIMEOUT_MS = 60_000;

function randomBytes(random: SeededRandom): Uint8Array {
  const size = random.chance(0.1) ? 0 : random.below(BYTES_MAX_COUNT);
  const first = random.below(256);
  return Uint8Array.from({ length: size }, (_, i) => (first + i * 7) & 0xff);
}

function say({ socket }: ResumeSide, bytes: Uint8Array, size: number): void {
  for (let at = 0; at < bytes.length; at += size) {
    // What is said is given away, and compared with later.
    socket.say(bytes.slice(at, at + size));
  }
  socket.sayEnd();
}

/**
 * Runs two ends that say something to each other, over links that are cut at
 * any message, a goodbye among them, and a gateway that is killed now and
 * then.
 */
async function runSchedule(seed: number): Promise<void> {
  const random = new SeededRandom(seed);
  const clock = new ManualClock();
  const gateway = new ResumeGateway(clock);
  const { far, near } = gateway;
  let links = 0;
  gateway.shape = (_side, { wire }) => {
    if (links++ >= CUT_LINKS_MAX_COUNT) return;
    if (random.chance(0.8)) wire.cutAt(1 + random.below(30));
    // Killed with all its links, but not before it has joined them once.
    if (links > 2 && random.chance(0.1)) gateway.kill();
  };
  // Nobody is left who could tell the other end of it.
  gateway.goodbyeHeard = () => {
    if (random.chance(0.3)) gateway.kill();
  };
  const said = [randomBytes(random), randomBytes(random)] as const;
  const answer = () => say(far, said[1], 1 + random.below(30_000));
  // What the near end says from its last word on gets nowhere, for a while.
  let hole: MemoryWire | undefined;
  const swallow = () => {
    hole = far.present.wire;
    hole.swallow();
  };
  if (random.chance(0.3)) near.socket.script = { end: swallow };
  if (random.chance(0.5)) far.socket.script = { end: answer };
  else answer();
  say(near, said[0], 1 + random.below(30_000));
  gateway.begin();
  for (let step = 0; step < STEPS_MAX_COUNT; step++) {
    await settle();
    if (near.result && far.result) break;
    await clock.advance(1_000);
    if (!hole) continue;
    // Silence is noticed; it may be that nobody knows the tunnel any more.
    if (random.chance(0.5)) gateway.kill();
    hole.cut();
    hole = undefined;
  }
  expect({ seed, near: near.ending, far: far.ending })
    .toEqual({ seed, near: "cleanly", far: "cleanly" });
  expect(Buffer.compare(far.socket.received, said[0])).toBe(0);
  expect(Buffer.compare(near.socket.received, said[1])).toBe(0);
  await settle();
  expect({ seed, sleepers: clock.sleeperCount }).toEqual({ seed, sleepers: 0 });
}

test(
  "two ends end cleanly and byte for byte, whatever was cut or killed",
  async () => {
    for (let index = 0; index < SCHEDULES_COUNT; index++) {
      await runSchedule(SEED + index);
    }
  },
  TIMEOUT_MS,
);
