import type { HangOrder } from "./hang_worker.ts";
import type { ServiceManager } from "./service_manager.ts";

const FEEDS_PER_TIME = 3;

/** Put in by scripts/build.ts; absent when the source runs unbuilt. */
declare const MIGASFREE_HANG_WORKER: string | undefined;

/**
 * A watchdog inside this process, for service managers that have none, as
 * launchd: a thread of its own ends the process, with
 * {@linkcode HANG_EXIT_CODE}, unless it is fed within `timeoutMs`. A frozen
 * event loop feeds nobody.
 *
 * @param manager Who hears all the rest.
 */
export function ownWatchdog(
  timeoutMs: number,
  manager: ServiceManager,
): ServiceManager {
  const counter = new Int32Array(new SharedArrayBuffer(8));
  const worker = new Worker(workerPath());
  // Nobody would notice a watchdog that is not there: this ends the process.
  worker.addEventListener("error", ({ message }) => {
    throw new Error(`The watchdog's thread has ended: ${message}`);
  });
  const order: HangOrder = { counter, timeoutMs };
  worker.postMessage(order);
  return {
    feedEveryMs: timeoutMs / FEEDS_PER_TIME,
    ready: (status) => manager.ready(status),
    status: (text) => manager.status(text),
    reloading: () => manager.reloading(),
    stopping: () => manager.stopping(),
    feed: () => {
      Atomics.add(counter, 0, 1);
      manager.feed();
    },
  };
}

function workerPath(): string | URL {
  return typeof MIGASFREE_HANG_WORKER === "string"
    ? MIGASFREE_HANG_WORKER
    : new URL("./hang_worker.ts", import.meta.url);
}
