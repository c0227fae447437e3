import { expect, test } from "bun:test";
import {
  parseDn,
  type Principal,
  principalOf,
} from "../../src/policy/identity.ts";
import { Fault } from "../../src/protocol/fault.ts";

const RUN_COUNT = 100_000;
const SEED = 0x6d66;

/** Pieces that make names, near names and traps. */
const PIECES = [
  ...'/=,+\\"#; x0A.é\u0000\n',
  ...["OU=ADMINS", "OU=COMPUTERS", "ou=admins", "2.5.4.11=ADMINS", "OU=Core"],
  ...["ADMINS", "COMPUTERS", "OU", "CN", "CN=", "O=mf", "/O=mf", "/CN=x"],
  ...["/OU=ADMINS", "/OU=COMPUTERS", "\\xC3\\xA9", "\\x2F", "\\/", "\\2C"],
  ...["#0c0641444d494e53", "organizationalUnitName=", ", ", "+OU=ADMINS"],
];

const SEEDS = [
  "/O=mf.test/OU=COMPUTERS/CN=4c4c_7",
  "/O=mf.test/OU=ADMINS/CN=ana",
  "CN=manager,OU=ADMINS,O=migasfree,C=ES",
  "CN=a\\,b+OU=COMPUTERS,O=\\C3\\A9",
];

/** mulberry32: 32 bits of state are enough to repeat a failure. */
function seededRandom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let bits = Math.imul(state ^ (state >>> 15), 1 | state);
    bits = (bits + Math.imul(bits ^ (bits >>> 7), 61 | bits)) ^ bits;
    return ((bits ^ (bits >>> 14)) >>> 0) / 2 ** 32;
  };
}

function randomText(random: () => number): string {
  function below(count: number): number {
    return Math.floor(random() * count);
  }
  let text = random() < 0.6 ? SEEDS[below(SEEDS.length)] ?? "" : "";
  for (let edits = below(6) + 1; edits > 0; edits--) {
    const at = below(text.length + 1);
    const cut = random() < 0.3 ? below(4) : 0;
    text = text.slice(0, at) + (PIECES[below(PIECES.length)] ?? "") +
      text.slice(at + cut);
  }
  return text;
}

/** Returns who `text` names, or undefined after a fault; a bug is thrown. */
function principalOrFault(text: string): Principal | undefined {
  try {
    return principalOf(parseDn(text));
  } catch (error) {
    if (error instanceof Fault) return undefined;
    throw new Error(`Bug at ${JSON.stringify(text)}`, { cause: error });
  }
}

/** How often `text` says a role, by a reading much simpler than ours. */
function mentions(text: string): number {
  return text.match(/(?:admins|computers|#0c0641444d494e53)/gi)?.length ?? 0;
}

test(
  "parseDn() throws only faults and finds a role only if one OU says so, in 100,000 names",
  () => {
    const random = seededRandom(SEED);
    const found = { agent: 0, operator: 0 };
    for (let run = 0; run < RUN_COUNT; run++) {
      const text = randomText(random);
      const principal = principalOrFault(text);
      if (principal === undefined) continue;
      found[principal.role]++;
      const attributes = parseDn(text);
      const units = attributes.filter(({ type, value }) =>
        type === "OU" && ["admins", "computers"].includes(value.toLowerCase())
      );
      const isSlashForm = text.startsWith("/");
      const isSound = units.length === 1 && mentions(text) >= 1 &&
        (units[0]?.value.toLowerCase() === "admins") ===
          (principal.role === "operator") &&
        // What stands behind the CN of a slash form must not count.
        (!isSlashForm || text.search(/\/OU=/i) < text.search(/\/CN=/i)) &&
        // The canonical form is a name that means the same.
        Bun.deepEquals(principalOrFault(principal.subject), principal);
      if (!isSound) throw new Error(`Role gained by ${JSON.stringify(text)}`);
    }
    // A fuzz that never gets past the door would prove nothing.
    expect(found.agent).toBeGreaterThan(1_000);
    expect(found.operator).toBeGreaterThan(1_000);
  },
  30_000,
);
