/** What commander read of a command's flags. */
export type Options = Readonly<Record<string, unknown>>;

/** Returns the value of a flag that takes one; undefined if it was not given. */
export function textOption(options: Options, name: string): string | undefined {
  const value = options[name];
  return typeof value === "string" ? value : undefined;
}
