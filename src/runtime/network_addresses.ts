import { networkInterfaces } from "node:os";

/**
 * Returns a text that is another one whenever this machine has got or lost an
 * address that others can see. It says nothing else.
 */
export function networkAddresses(): string {
  const found: string[] = [];
  for (const [name, addresses = []] of Object.entries(networkInterfaces())) {
    for (const { address, internal } of addresses) {
      if (!internal) found.push(`${name} ${address}`);
    }
  }
  return found.sort().join();
}

/** Who asks as often as this has a tunnel that may have to come back. */
const HURRY_MS = 1_000;

/** How long an answer is good for one who is in no hurry. */
const PATIENCE_MS = 2_000;

/**
 * As {@linkcode networkAddresses}, for one who asks again and again. To ask
 * the system is the dearest of all that an idle agent does, so that one who
 * asks each second and a half gets a new answer every other time.
 *
 * @param now Milliseconds of a clock that is never set.
 */
export function watchNetworkAddresses(
  now: () => number,
  ask = networkAddresses,
): () => string {
  let calledAtMs = -Infinity;
  let askedAtMs = -Infinity;
  let last = "";
  return () => {
    const nowMs = now();
    const isHurried = nowMs - calledAtMs <= HURRY_MS;
    calledAtMs = nowMs;
    if (!isHurried && nowMs - askedAtMs < PATIENCE_MS) return last;
    askedAtMs = nowMs;
    last = ask();
    return last;
  };
}
