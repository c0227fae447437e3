import { STREAM_MESSAGE_MAX_BYTES } from "../../src/protocol/limits.ts";
import { ReceiveWindow } from "../../src/stream/receive_window.ts";
import type { WindowBudget } from "../../src/stream/window_budget.ts";

export interface Path {
  readonly bytesPerMs: number;
  readonly roundTripMs: number;
  /** Each message comes up to this much later than it should, in order. */
  readonly jitterMs?: number;
}

/**
 * Sends `totalBytes` over `path` to a program that takes all at once, with
 * acknowledgements as a stream end sends them. No queue between the two ends:
 * what credit allows leaves at the rate of the path.
 */
export function runPath(
  path: Path,
  totalBytes: number,
  budget: WindowBudget,
  random: () => number = () => 0,
): { readonly window: ReceiveWindow; readonly elapsedMs: number } {
  const window = new ReceiveWindow(budget);
  const oneWayMs = path.roundTripMs / 2;
  /** Credit on its way back: from when on it holds, and up to where. */
  const credits: { readonly atMs: number; readonly limit: number }[] = [];
  let limit = window.limitOffset;
  let sentBytes = 0;
  let leftAtMs = 0;
  let arrivedAtMs = 0;
  let grantedBytes = 0;
  let saidBytes = window.sizeBytes;
  while (sentBytes < totalBytes) {
    for (;;) {
      const [credit] = credits;
      if (!credit || (credit.atMs > leftAtMs && sentBytes < limit)) break;
      leftAtMs = Math.max(leftAtMs, credit.atMs);
      limit = credit.limit;
      credits.shift();
    }
    const size = Math.min(STREAM_MESSAGE_MAX_BYTES, limit - sentBytes);
    if (size <= 0) throw new Error(`No credit comes after ${sentBytes} bytes`);
    sentBytes += size;
    leftAtMs += size / path.bytesPerMs;
    const lateMs = random() * (path.jitterMs ?? 0);
    arrivedAtMs = Math.max(arrivedAtMs, leftAtMs + oneWayMs + lateMs);
    window.received(sentBytes, arrivedAtMs);
    if (sentBytes - grantedBytes < saidBytes / 4) continue;
    window.grant(sentBytes, sentBytes, arrivedAtMs);
    grantedBytes = sentBytes;
    saidBytes = window.sizeBytes;
    credits.push({ atMs: arrivedAtMs + oneWayMs, limit: window.limitOffset });
  }
  return { window, elapsedMs: arrivedAtMs };
}
