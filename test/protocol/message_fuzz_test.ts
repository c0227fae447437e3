import { expect, test } from "bun:test";
import {
  parseFromAgent,
  parseFromGateway,
} from "../../src/protocol/control.ts";
import { Fault } from "../../src/protocol/fault.ts";
import { parseStreamMessage } from "../../src/protocol/stream_message.ts";
import { heapBytes } from "../support/leak_check.ts";
import { SeededRandom } from "../support/seeded_random.ts";
import controlFromAgent from "../vectors/control_from_agent.json";
import controlFromGateway from "../vectors/control_from_gateway.json";
import stream from "../vectors/stream.json";
import { fuzzedText } from "./message_fuzz.ts";

const RUN_COUNT = 100_000;
const WARM_UP_COUNT = 5_000;
const SEED = Number(process.env["FUZZ_SEED"] ?? 0x6d66);

/** Far below what 100,000 messages of 300 bytes would leave behind. */
const HEAP_GROWTH_MAX_BYTES = 8 * 1024 * 1024;
const TIMEOUT_MS = 60_000;

type Parse = (text: string) => unknown;

const TARGETS = [
  [parseFromAgent, controlFromAgent],
  [parseFromGateway, controlFromGateway],
  [parseStreamMessage, stream],
] as const;

for (const [parse, { vectors }] of TARGETS) {
  test(
    `${parse.name}() meets ${RUN_COUNT} random and mutated messages with faults alone`,
    () => {
      const seeds = vectors.flatMap((vector) =>
        "message" in vector ? [vector.message as object] : []
      );
      const random = new SeededRandom(SEED);
      const counts: Record<string, number> = {};
      let heapBeforeBytes = 0;
      for (let run = 0; run < RUN_COUNT; run++) {
        if (run === WARM_UP_COUNT) heapBeforeBytes = heapBytes();
        const text = fuzzedText(random, seeds);
        const outcome = outcomeOf(parse, text, run);
        counts[outcome] = (counts[outcome] ?? 0) + 1;
      }
      expect(Object.keys(counts).sort())
        .toEqual(["messageInvalid", "messageTooLarge", "taken"]);
      // One in ten is a valid message as it stands: all of those were taken.
      expect(counts["taken"]).toBeGreaterThan(RUN_COUNT / 10);
      expect(counts["messageInvalid"]).toBeGreaterThan(RUN_COUNT / 4);
      expect(heapBytes() - heapBeforeBytes).toBeLessThan(HEAP_GROWTH_MAX_BYTES);
    },
    TIMEOUT_MS,
  );

  test(`${parse.name}() takes each valid message among the seeds, and only copies`, () => {
    for (const vector of vectors) {
      if (!("message" in vector)) continue;
      const message = parse(JSON.stringify(vector.message)) as object;
      expect(message).toStrictEqual(vector.message as object);
      expect(Object.getPrototypeOf(message)).toBe(Object.prototype);
    }
  });
}

/** Returns the fault's code, or `taken`; anything else fails with its seed. */
function outcomeOf(parse: Parse, text: string, run: number): string {
  let message: unknown;
  try {
    message = parse(text);
  } catch (error) {
    const isExpected = error instanceof Fault &&
      (error.code === "messageInvalid" || error.code === "messageTooLarge");
    if (isExpected) return error.code;
    throw new Error(where(run, text), { cause: error });
  }
  // What was taken is within the limits, so it is taken again, unchanged.
  const written = JSON.stringify(message);
  if (JSON.stringify(parse(written)) === written) return "taken";
  throw new Error(where(run, text));
}

function where(run: number, text: string): string {
  const shown = JSON.stringify(text.slice(0, 400));
  return `Bug at FUZZ_SEED=${SEED}, run ${run}: ${shown}`;
}
