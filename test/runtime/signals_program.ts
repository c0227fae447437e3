/** Waits to be stopped, and says on standard output what it hears. */
import type { Log } from "../../src/base/log.ts";
import { Fault } from "../../src/protocol/fault.ts";
import { stopOnSignals } from "../../src/runtime/signals.ts";

function say(line: string): void {
  process.stdout.write(`${line}\n`);
}

const log: Log = {
  info: (event, fields) => say(`info ${event} ${fields["signal"]}`),
  warn: (event, fields) => say(`warn ${event} ${fields["signal"]}`),
  error: (event) => say(`error ${event}`),
};
const stop = stopOnSignals(log, { onHangUp: () => say("hang up") });
stop.addEventListener("abort", () => {
  const fault: unknown = stop.reason;
  say(fault instanceof Fault ? `${fault.code} ${fault.message}` : "no fault");
  if (process.argv[2] === "dispose") {
    stop[Symbol.dispose]();
    say("disposed");
  }
});
// Keeps the process alive: signals alone would not.
setInterval(() => undefined, 1_000);
say("ready");
