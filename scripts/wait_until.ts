const WAIT_MAX_MS = 60_000;
const POLL_MS = 200;

/** Asks again and again until something holds; throws after a minute. */
export async function waitUntil(
  what: string,
  holds: () => Promise<boolean>,
): Promise<void> {
  const startMs = performance.now();
  while (!await holds()) {
    if (performance.now() - startMs > WAIT_MAX_MS) {
      throw new Error(`Waited in vain: ${what}`);
    }
    await Bun.sleep(POLL_MS);
  }
}
