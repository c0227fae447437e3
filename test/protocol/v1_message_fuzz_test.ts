import { expect, test } from "bun:test";
import { parseV1Message } from "../../src/protocol/v1_message.ts";
import { heapBytes } from "../support/leak_check.ts";
import { SeededRandom } from "../support/seeded_random.ts";
import { fuzzedText } from "./message_fuzz.ts";
import { V1_VECTORS } from "./v1_vectors.ts";

const RUN_COUNT = 100_000;
const WARM_UP_COUNT = 5_000;
const SEED = Number(process.env["FUZZ_SEED"] ?? 0x6d66);

/** Far below what 100,000 messages of 300 bytes would leave behind. */
const HEAP_GROWTH_MAX_BYTES = 8 * 1024 * 1024;
const TIMEOUT_MS = 60_000;

const TYPES = new Set<unknown>(V1_VECTORS.map(({ type }) => type));

test(
  `parseV1Message() meets ${RUN_COUNT} random and mutated messages without a throw`,
  () => {
    const random = new SeededRandom(SEED);
    let ignoredCount = 0;
    let heapBeforeBytes = 0;
    for (let run = 0; run < RUN_COUNT; run++) {
      if (run === WARM_UP_COUNT) heapBeforeBytes = heapBytes();
      const text = fuzzedText(random, V1_VECTORS);
      const isBinary = random.chance(0.1);
      const message = isBinary ? new TextEncoder().encode(text) : text;
      if (isIgnored(message, run)) ignoredCount++;
    }
    // One in ten is a valid message as it stands: all of those were taken.
    expect(ignoredCount).toBeLessThan(RUN_COUNT * 0.9);
    expect(ignoredCount).toBeGreaterThan(RUN_COUNT / 4);
    expect(heapBytes() - heapBeforeBytes).toBeLessThan(HEAP_GROWTH_MAX_BYTES);
  },
  TIMEOUT_MS,
);

function isIgnored(message: string | Uint8Array, run: number): boolean {
  const where = () =>
    `Bug at FUZZ_SEED=${SEED}, run ${run}: ${
      JSON.stringify(String(message).slice(0, 400))
    }`;
  let parsed: ReturnType<typeof parseV1Message>;
  try {
    parsed = parseV1Message(message);
  } catch (cause) {
    throw new Error(where(), { cause });
  }
  if (parsed.type === "ignored") return true;
  if (!TYPES.has(parsed.type)) throw new Error(where());
  if (parsed.type === "tunnel_data") return false;
  // What was taken is within the limits, so it is taken again, unchanged.
  const written = JSON.stringify(parsed);
  const again = JSON.stringify(parseV1Message(written));
  if (again !== written) throw new Error(where());
  return false;
}
