import { ownWatchdog } from "../../src/runtime/own_watchdog.ts";

// Started by own_watchdog_test.ts: feeds its watchdog for a while, as often
// as it asks for, and then does what the first argument says.
const [how = "", timeout = "300"] = process.argv.slice(2);
const manager = ownWatchdog(Number(timeout), {
  feedEveryMs: undefined,
  ready: () => undefined,
  status: () => undefined,
  reloading: () => undefined,
  stopping: () => undefined,
  feed: () => undefined,
});
let left = 9;
setInterval(() => {
  if (left-- > 0) return manager.feed();
  if (how === "end") process.exit(0);
  // The event loop turns no more; "starve" only feeds nobody.
  while (how === "freeze");
}, manager.feedEveryMs);
