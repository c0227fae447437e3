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

/** The first record of an audit file that has all of `fields`, once there. */
export async function auditRecord(
  site: Site,
  name: string,
  fields: Readonly<Record<string, unknown>>,
): Promise<Record<string, unknown>> {
  for (let left = 100; left > 0; left--) {
    const found = (await auditRecords(site, name)).find((record) =>
      Object.entries(fields).every(([key, value]) => record[key] === value)
    );
    if (found) return found;
    await Bun.sleep(50);
  }
  throw new Error(`${name} has no record of ${JSON.stringify(fields)}`);
}
