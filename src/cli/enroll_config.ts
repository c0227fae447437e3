import { mkdir } from "node:fs/promises";
import { dirname } from "node:path";
import { Fault } from "../protocol/fault.ts";
import { parseGatewayUrl } from "../protocol/gateway_url.ts";
import {
  errorCode,
  fileFault,
  readText,
  writeFileAtomically,
} from "../runtime/files.ts";
import { rewriteFile } from "../runtime/rewrite_file.ts";
import type { AgentSettingsFile } from "./agent_config.ts";

/** What an enrolled agent needs to know; undefined: left as it is. */
export interface EnrolledKeys {
  readonly "device_id": number;
  readonly name: string | undefined;
  readonly gateway: string;
  readonly "ca_file": string | undefined;
  readonly "cert_file": string;
  readonly "key_file": string;
}

const FILE_MODE = 0o644;
const DIRECTORY_MODE = 0o755;

/**
 * Returns the lines that `agent.toml` lacks.
 *
 * @throws {Fault} `configInvalid` if it says something else: nobody's file is
 * changed behind their back.
 */
export function linesToAdd(
  { file, path }: AgentSettingsFile,
  wanted: EnrolledKeys,
): string[] {
  const lines: string[] = [];
  for (const [key, value] of Object.entries(wanted)) {
    if (value === undefined) continue;
    const there: unknown = Reflect.get(file, key);
    if (there === undefined) lines.push(`${key} = ${tomlText(value)}`);
    else if (!isSame(key, there, value)) throw taken(path, key);
  }
  if (file.renew === undefined) lines.push("renew = true");
  return lines;
}

/**
 * Puts `lines` before what is in `agent.toml`: before any table, that is. A
 * file that is there keeps its owner, its group and its mode.
 */
export async function addLines(
  path: string,
  lines: readonly string[],
): Promise<void> {
  if (lines.length === 0) return;
  const head = ["# By migasfree-agent enroll:", ...lines, ""].join("\n");
  const before = await readIfThere(path);
  if (before !== undefined) {
    return await rewriteFile(path, `${head}\n${before}`);
  }
  try {
    await mkdir(dirname(path), { recursive: true, mode: DIRECTORY_MODE });
  } catch (error) {
    throw fileFault("make directory", dirname(path), error);
  }
  await writeFileAtomically(path, head, FILE_MODE);
}

async function readIfThere(path: string): Promise<string | undefined> {
  try {
    return await readText(path, "agent configuration");
  } catch (error) {
    const cause = error instanceof Fault ? error.cause : error;
    if (errorCode(cause) === "ENOENT") return undefined;
    throw error;
  }
}

function isSame(key: string, there: unknown, value: string | number): boolean {
  if (key !== "gateway" || typeof there !== "string") return there === value;
  return parseGatewayUrl(there, true) === value;
}

/** A JSON string is a TOML basic string, but for DEL (TOML 1.0, String). */
function tomlText(value: string | number): string {
  return JSON.stringify(value).replaceAll("\x7f", "\\u007f");
}

function taken(path: string, key: string): Fault {
  return new Fault(
    "configInvalid",
    `Cannot enrol: ${path} has another ${key}`,
    { hint: `Remove the line of ${key}, then enrol again` },
  );
}
