import { read } from "node:fs";
import type { ServiceManager } from "./service_manager.ts";

/** The host waits for 30 s. */
const FEED_EVERY_MS = 5_000;
/** It says nothing: what it might say is not kept. */
const READ_BYTES = 256;

/**
 * The service host of Windows, which started this process: it hears on our
 * standard output, a line for each message, what systemd would hear. What is
 * in words it has no place for.
 */
export function hostedManager(write: (line: string) => void): ServiceManager {
  const say = (message: string) => write(`${message}\n`);
  return {
    feedEveryMs: FEED_EVERY_MS,
    ready: () => say("READY=1"),
    status: () => undefined,
    reloading: () => undefined,
    stopping: () => say("STOPPING=1"),
    feed: () => say("WATCHDOG=1"),
  };
}

/**
 * Calls `onEnd` once what `fd` reads has ended, which is how the host asks to
 * stop; a host that has died asks the same.
 *
 * By `read` itself: Bun's `process.stdin` refuses some pipes of Windows.
 */
export function watchHost(onEnd: () => void, fd = 0): Disposable {
  const bytes = Buffer.alloc(READ_BYTES);
  let isOver = false;
  const next = () => {
    read(fd, bytes, 0, bytes.length, null, (error, count) => {
      if (isOver) return;
      if (error === null && count > 0) return next();
      isOver = true;
      onEnd();
    });
  };
  next();
  return {
    [Symbol.dispose]: () => {
      isOver = true;
    },
  };
}
