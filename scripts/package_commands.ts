/** What a program that a package is made with needs to know. */
export interface ToolOptions {
  readonly cwd?: string;
  readonly env?: Readonly<Record<string, string>>;
}

/** Runs a tool to its end; what it says is shown only if it fails. */
export function runTool(
  argv: readonly string[],
  { cwd, env }: ToolOptions = {},
): string {
  const ended = Bun.spawnSync([...argv], {
    ...(cwd === undefined ? {} : { cwd }),
    env: { ...process.env, LC_ALL: "C", TZ: "UTC", ...env },
  });
  if (ended.success) return ended.stdout.toString();
  throw new Error(
    `${argv.join(" ")}: exit ${ended.exitCode}\n` +
      ended.stdout.toString() + ended.stderr.toString(),
  );
}

/** Puts values in the place of `#NAME#`; each must be there. */
export function fill(
  text: string,
  values: Readonly<Record<string, string>>,
): string {
  let filled = text;
  for (const [name, value] of Object.entries(values)) {
    if (!filled.includes(`#${name}#`)) {
      throw new Error(`There is no #${name}# to be filled in`);
    }
    filled = filled.replaceAll(`#${name}#`, () => value);
  }
  return filled;
}
