import { expect, test } from "bun:test";
import {
  encodeExecMessage,
  encodeExecOutput,
  type ExecMessage,
} from "../../src/protocol/exec_frame.ts";
import { Fault } from "../../src/protocol/fault.ts";
import { heapBytes } from "../support/leak_check.ts";
import { SeededRandom } from "../support/seeded_random.ts";
import exec from "../vectors/exec.json";
import { FrameEar } from "./frame_ear.ts";

const RUN_COUNT = 100_000;
const WARM_UP_COUNT = 5_000;
const SEED = Number(process.env["FUZZ_SEED"] ?? 0x6d66);
const HEAP_GROWTH_MAX_BYTES = 8 * 1024 * 1024;
const TIMEOUT_MS = 60_000;

const CODES = ["messageInvalid", "messageTooLarge", "messageUnexpected"];

type Side = "operator" | "agent";

test(
  `ExecFrameDecoder finds the same in ${RUN_COUNT} runs of frames, wherever they are cut`,
  () => {
    const random = new SeededRandom(SEED);
    for (let run = 0; run < RUN_COUNT; run++) {
      const side = random.pick<Side>(["operator", "agent"]);
      const bytes = Buffer.concat(framesOf(random, side));
      const whole = new FrameEar(side);
      whole.decode(bytes);
      const cut = new FrameEar(side);
      for (const chunk of chunksOf(random, bytes)) cut.decode(chunk);
      const isSame = Bun.deepEquals(cut.said, whole.said) &&
        cut.isBetweenFrames && whole.isBetweenFrames;
      if (!isSame) throw new Error(where(run, bytes));
    }
  },
  TIMEOUT_MS,
);

test(
  `ExecFrameDecoder meets ${RUN_COUNT} mutated and random runs with faults alone`,
  () => {
    const random = new SeededRandom(SEED);
    const counts: Record<string, number> = {};
    let heapBeforeBytes = 0;
    for (let run = 0; run < RUN_COUNT; run++) {
      if (run === WARM_UP_COUNT) heapBeforeBytes = heapBytes();
      const side = random.pick<Side>(["operator", "agent"]);
      const bytes = hostile(random, side);
      const outcome = outcomeOf([bytes], side, run);
      // A fault is found at the same byte, whatever was cut where.
      const again = outcomeOf(chunksOf(random, bytes), side, run);
      if (again !== outcome) throw new Error(where(run, bytes));
      counts[outcome] = (counts[outcome] ?? 0) + 1;
    }
    expect(Object.keys(counts).sort()).toEqual([...CODES, "taken"]);
    for (const code of CODES) {
      expect([code, (counts[code] ?? 0) > RUN_COUNT / 50]).toEqual([
        code,
        true,
      ]);
    }
    expect(heapBytes() - heapBeforeBytes).toBeLessThan(HEAP_GROWTH_MAX_BYTES);
  },
  TIMEOUT_MS,
);

function framesOf(random: SeededRandom, side: Side): Uint8Array[] {
  return Array.from(
    { length: random.below(6) },
    () => side === "agent" ? agentFrame(random) : operatorFrame(random),
  );
}

function operatorFrame(random: SeededRandom): Uint8Array {
  if (random.chance(0.3)) return encodeExecMessage({ type: "cancel" });
  const argv = Array.from(
    { length: 1 + random.below(4) },
    () => random.pick(["migasfree", "ñ", "😀 \n", "x".repeat(40)]),
  );
  return encodeExecMessage({ type: "start", start: { argv } });
}

function agentFrame(random: SeededRandom): Uint8Array {
  if (random.chance(0.7)) {
    const size = random.chance(0.01) ? 40_000 : random.below(30);
    const output = random.pick(["stdout", "stderr"] as const);
    return encodeExecOutput(output, randomBytes(random, size));
  }
  const ends: readonly ExecMessage[] = [
    { type: "exit", exit: { code: random.below(256) } },
    { type: "exit", exit: { signal: "SIGKILL" } },
    { type: "error", error: { code: "internal", message: "é".repeat(9) } },
  ];
  return encodeExecMessage(random.pick(ends));
}

function hostile(random: SeededRandom, side: Side): Uint8Array {
  if (random.chance(0.2)) return randomBytes(random, random.below(40));
  const seeds = random.chance(0.5)
    ? framesOf(random, side)
    : [Uint8Array.fromHex(random.pick(exec.vectors).hex)];
  const bytes = new Uint8Array(Buffer.concat(seeds));
  for (let edits = random.below(3); edits > 0 && bytes.length > 0; edits--) {
    // Mostly headers: there is the most to break.
    const at = random.below(random.chance(0.5) ? 5 : bytes.length);
    if (at < bytes.length) bytes[at] = random.below(random.pick([3, 24, 256]));
  }
  return bytes;
}

function randomBytes(random: SeededRandom, size: number): Uint8Array {
  return Uint8Array.from({ length: size }, () => random.below(256));
}

function chunksOf(random: SeededRandom, bytes: Uint8Array): Uint8Array[] {
  const chunks: Uint8Array[] = [];
  const most = random.pick([1, 3, 8, 64, 1 + bytes.length]);
  for (let at = 0; at < bytes.length;) {
    const size = Math.max(
      bytes.length > 5_000 ? 100 : 0,
      random.below(most + 1),
    );
    chunks.push(bytes.subarray(at, at + size));
    at += size;
  }
  return chunks;
}

/** Returns the fault's code, or `taken`; anything else fails with its seed. */
function outcomeOf(
  chunks: readonly Uint8Array[],
  side: Side,
  run: number,
): string {
  const ear = new FrameEar(side);
  try {
    for (const chunk of chunks) ear.decode(chunk);
    return "taken";
  } catch (error) {
    if (error instanceof Fault && CODES.includes(error.code)) return error.code;
    throw new Error(where(run, Buffer.concat(chunks)), { cause: error });
  }
}

function where(run: number, bytes: Uint8Array): string {
  const hex = Buffer.from(bytes.subarray(0, 200)).toString("hex");
  return `Bug at FUZZ_SEED=${SEED}, run ${run}: ${hex}`;
}
