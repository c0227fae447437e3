import { dlopen } from "bun:ffi";

/** EX_TEMPFAIL of <sysexits.h>: whoever started it may start it again. */
export const HANG_EXIT_CODE = 75;

/** What `ownWatchdog` tells its thread. */
export interface HangOrder {
  /** Its first number grows whenever the watchdog is fed. */
  readonly counter: Int32Array;
  readonly timeoutMs: number;
}

const LIBC_NAMES = ["libSystem.B.dylib", "libc.so.6"];

/** The other number of the counter, which nobody changes. */
const NEVER_INDEX = 1;

/** Looks on until the counter stands still; then ends the process. */
function watch({ counter, timeoutMs }: HangOrder): never {
  for (let last = -1;;) {
    Atomics.wait(counter, NEVER_INDEX, 0, timeoutMs);
    const now = Atomics.load(counter, 0);
    if (now === last) endProcess();
    last = now;
  }
}

/** `process.exit()` of a worker ends the worker alone. */
function endProcess(): void {
  const text = "migasfree-agent: no progress, ended by its own watchdog\n";
  process.stderr.write(text);
  for (const name of LIBC_NAMES) {
    try {
      const { symbols } = dlopen(name, {
        _exit: { args: ["i32"], returns: "void" },
      });
      symbols._exit(HANG_EXIT_CODE);
    } catch {
      // Not this libc, or no FFI at all: the next way will do.
    }
  }
  process.kill(process.pid, "SIGKILL");
}

if (!Bun.isMainThread) {
  globalThis.addEventListener("message", (event: MessageEvent<HangOrder>) => {
    watch(event.data);
  });
}
