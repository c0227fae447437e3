import type { SeededRandom } from "../support/seeded_random.ts";

/** What a mutation puts into a text: JSON's own pieces, and traps. */
const PIECES: readonly string[] = [
  ...'{}[]",:\\ \n\t0-.eE+é\u0000\u2028',
  ...["null", "true", "false", "NaN", "1e999", "-0", "-1", "0.1", "1e3"],
  ...["9007199254740991", "9007199254740992", "1" + "0".repeat(400)],
  ...['"__proto__":', '"constructor":', '"type":', '"type":"heartbeat"'],
  ...["\ud800", "\udc00", "\\ud800", "\\u0000", "\\", "\ufeff"],
  ...['"versions":[2]', '"offset":0', '"echo":true', "[[[[[[[[", "]]]]]]]]"],
];

/** What a mutation puts into a message before it is written. */
const VALUES: readonly unknown[] = [
  ...[null, true, false, 0, -0, -1, 1, 0.5, 1e21, 2 ** 31, 2 ** 53, -(2 ** 53)],
  ...["", "x", "x".repeat(600), "\ud83d", "\u202e", "internal", "toString"],
  ...[[], {}, [[]], { type: "heartbeat" }, Array(40).fill(1)],
];

/** Makes one message from `seeds`: as it is, mutated, or nothing of the kind. */
export function fuzzedText(
  random: SeededRandom,
  seeds: readonly object[],
): string {
  const kind = random.next();
  const seed = random.pick(seeds);
  if (kind < 0.1) return JSON.stringify(seed);
  if (kind < 0.5) return JSON.stringify(mutatedValue(random, seed, 0));
  if (kind < 0.85) return mutatedText(random, JSON.stringify(seed));
  if (kind < 0.97) return randomText(random);
  return extremeText(random);
}

/** Changes, drops or adds fields, at any depth. */
function mutatedValue(
  random: SeededRandom,
  value: unknown,
  depth: number,
): unknown {
  if (random.chance(depth === 0 ? 0.02 : 0.15)) return random.pick(VALUES);
  if (Array.isArray(value)) {
    const items = value.map((item) => mutatedValue(random, item, depth + 1));
    return random.chance(0.1) ? [...items, ...items, ...items] : items;
  }
  if (typeof value !== "object" || value === null) return value;
  const entries = Object.entries(value)
    .filter(() => !random.chance(0.05))
    .map(([key, field]) => [key, mutatedValue(random, field, depth + 1)]);
  if (random.chance(0.2)) entries.push([randomText(random), {}]);
  const object = Object.fromEntries(entries);
  // An own key, as JSON.parse makes it; an assignment would set the prototype.
  if (random.chance(0.1)) {
    const enumerable = { value, enumerable: true };
    Object.defineProperty(object, "__proto__", enumerable);
  }
  return object;
}

function mutatedText(random: SeededRandom, text: string): string {
  let mutated = text;
  for (let edits = 1 + random.below(4); edits > 0; edits--) {
    const at = random.below(mutated.length + 1);
    const cut = random.chance(0.5) ? random.below(8) : 0;
    const piece = random.chance(0.7) ? random.pick(PIECES) : "";
    mutated = mutated.slice(0, at) + piece + mutated.slice(at + cut);
  }
  return mutated;
}

function randomText(random: SeededRandom): string {
  const length = random.below(40);
  return Array.from(
    { length },
    () =>
      random.chance(0.6)
        ? random.pick(PIECES)
        : String.fromCharCode(random.below(0x10000)),
  ).join("");
}

/** Deep, wide or long: about as much as a message may hold, and more. */
function extremeText(random: SeededRandom): string {
  const size = 1 << random.below(17);
  switch (random.below(5)) {
    case 0:
      return "[".repeat(size) + "]".repeat(random.below(2) * size);
    case 1:
      return '{"type":'.repeat(size >> 3) + '"heartbeat"' +
        "}".repeat(size >> 3);
    case 2:
      return `{"type":"heartbeat","x":"${"é".repeat(size)}"}`;
    case 3:
      return `{"type":"ack","offset":${"9".repeat(size)},"window_bytes":0}`;
    default:
      return `[${"0,".repeat(size >> 1)}0]`;
  }
}
