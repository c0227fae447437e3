import type { Clock } from "../base/clock.ts";
import type { Log } from "../base/log.ts";

const EVERY_MS = 3_600_000;

/**
 * Says now, and once an hour until `signal` aborts, that anybody may come.
 *
 * @throws `signal.reason`
 */
export async function remindInsecure(
  log: Log,
  clock: Clock,
  signal: AbortSignal,
): Promise<never> {
  for (;;) {
    log.warn("gateway.insecure", {
      warning: "whoever reaches this gateway is served without a certificate",
    });
    await clock.sleep(EVERY_MS, signal);
  }
}
