import { parseArgs, type ParseArgsConfig } from "node:util";

/** sysexits.h, EX_USAGE. */
export const EXIT_USAGE = 64;

type Options = NonNullable<ParseArgsConfig["options"]>;

/** What the command line says, as `parseArgs()` of node:util returns it. */
type Flags<T extends Options> = ReturnType<
  typeof parseArgs<{ options: T; allowPositionals: true }>
>;

/**
 * Parses a script's command line. Returns undefined, having said why and shown
 * `help`, if it is wrong: the caller ends with {@linkcode EXIT_USAGE}.
 */
export function parseFlags<T extends Options>(
  args: readonly string[],
  options: T,
  help: string,
): Flags<T> | undefined {
  try {
    return parseArgs({ args: [...args], options, allowPositionals: true });
  } catch (error) {
    if (!(error instanceof TypeError)) throw error;
    process.stderr.write(`${error.message}\n\n${help}`);
    return undefined;
  }
}

/**
 * Runs a script: shows `help` where it is asked for, or where `run` finds that
 * its flags cannot be used, and returns the exit status.
 *
 * @param run Returns undefined for flags that mean nothing.
 */
export async function runScript<T extends Options>(
  args: readonly string[],
  options: T & { readonly help: { readonly type: "boolean" } },
  help: string,
  run: (values: Flags<T>["values"]) => Promise<number> | undefined,
): Promise<number> {
  const values = parseFlags(args, options, help)?.values;
  if (!values) return EXIT_USAGE;
  if ((values as { readonly help?: boolean }).help) {
    process.stdout.write(help);
    return 0;
  }
  const running = run(values as Flags<T>["values"]);
  if (!running) process.stderr.write(help);
  return await running ?? EXIT_USAGE;
}
