import { runChild } from "./child.ts";
import { BINARY, type Identity, type Site } from "./site.ts";

/** How an operator's command ended: its status, and the sentence it said. */
export interface Ended {
  readonly status: number;
  /** First line of stderr, without the program's name. */
  readonly sentence: string;
  readonly hint: string;
  readonly stdout: string;
}

/** Runs an operator's command of the binary to its end. */
export async function operate(
  site: Site,
  url: string,
  identity: Identity,
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
): Promise<Ended> {
  const flags = site.operatorFlags(url, identity);
  const { status, stdout, stderr } = await runChild(
    [BINARY, ...args, ...flags],
    { env: { HOME: site.dir, ...env } },
  );
  const lines = stderr.split("\n");
  const said = (prefix: string) =>
    lines.find((line) => line.startsWith(prefix))?.slice(prefix.length) ?? "";
  return {
    status,
    sentence: said("migasfree-agent: "),
    hint: said("  hint: "),
    stdout,
  };
}

/** Reads the gateway's audit file: one record a line. */
export async function auditRecords(
  site: Site,
  name = "gateway",
): Promise<Record<string, unknown>[]> {
  const text = await Bun.file(`${site.dir}/${name}/audit.jsonl`).text();
  return text.trim().split("\n").map((line) => JSON.parse(line));
}
