/** Long enough for a busy machine, short enough for a test. */
const PATIENCE_MS = 10_000;
/** Without a change for so long, nothing is under way on a loopback. */
const QUIET_MS = 100;

function turn(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 1));
}

/** Resolves once `holds` is true: for what the kernel tells nobody. */
export async function eventually(
  what: string,
  holds: () => boolean,
): Promise<void> {
  const startMs = performance.now();
  while (!holds()) {
    if (performance.now() - startMs > PATIENCE_MS) {
      throw new Error(`Waited in vain: ${what}`);
    }
    await turn();
  }
}

/** Resolves once `read` has said the same for a while, with what it says. */
export async function quiet<T>(read: () => T): Promise<T> {
  let value = read();
  let sinceMs = performance.now();
  while (performance.now() - sinceMs < QUIET_MS) {
    await turn();
    const now = read();
    if (now === value) continue;
    value = now;
    sinceMs = performance.now();
  }
  return value;
}
