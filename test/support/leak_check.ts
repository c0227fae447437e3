import { getEventListeners } from "node:events";

/** Returns how many still wait for `signal` to abort. */
export function abortListenerCount(signal: AbortSignal): number {
  return getEventListeners(signal, "abort").length;
}

/** Returns the bytes that live on the heap once the garbage is gone. */
export function heapBytes(): number {
  Bun.gc(true);
  return process.memoryUsage().heapUsed;
}
