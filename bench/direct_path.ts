import type { BenchPath } from "./bench_path.ts";

/** Nothing in between: what the two programs at the ends can do. */
export const DIRECT_PATH: BenchPath = {
  name: "direct",
  what: "loopback, nothing in between",
  missing: () => undefined,
  open: (port) =>
    Promise.resolve({
      port,
      pids: {},
      [Symbol.asyncDispose]: () => Promise.resolve(),
    }),
};
