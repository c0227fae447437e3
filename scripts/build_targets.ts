/** One platform that the binary is built for. */
export interface BuildTarget {
  /** As `Bun.build()` calls it. */
  readonly bun: Bun.Build.CompileTarget;
  /** Package of the lock file that holds Bun for it. */
  readonly runtime: string;
  /** Bun inside that package. */
  readonly runtimePath: string;
  /** Appended to the name of the file. */
  readonly suffix: "" | ".exe";
}

/** Names that `scripts/build` takes, and what they mean. */
export const BUILD_TARGETS: ReadonlyMap<string, BuildTarget> = new Map([
  ["linux-x64", unix("bun-linux-x64", "@oven/bun-linux-x64")],
  ["linux-arm64", unix("bun-linux-arm64", "@oven/bun-linux-aarch64")],
  ["linux-x64-musl", unix("bun-linux-x64-musl", "@oven/bun-linux-x64-musl")],
  [
    "linux-arm64-musl",
    unix("bun-linux-arm64-musl", "@oven/bun-linux-aarch64-musl"),
  ],
  ["windows-x64", {
    bun: "bun-windows-x64",
    runtime: "@oven/bun-windows-x64",
    runtimePath: "bin/bun.exe",
    suffix: ".exe",
  }],
  ["darwin-x64", unix("bun-darwin-x64", "@oven/bun-darwin-x64")],
  ["darwin-arm64", unix("bun-darwin-arm64", "@oven/bun-darwin-aarch64")],
]);

function unix(bun: Bun.Build.CompileTarget, runtime: string): BuildTarget {
  return { bun, runtime, runtimePath: "bin/bun", suffix: "" };
}
