import { chmod, chown, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import type { AgentConfig } from "../agent/config.ts";
import {
  HANDED,
  type HandedFacts,
  handedFacts,
  parseHandedFacts,
} from "../agent/handed_identity.ts";
import { Fault } from "../protocol/fault.ts";
import { fileStamp } from "../runtime/file_watch.ts";
import { errorCode, readText, writeFileAtomically } from "../runtime/files.ts";
import { requireOwn } from "../runtime/root_owned.ts";
import {
  type AgentSettingsFile,
  completeAgentConfig,
  readAgentSettings,
} from "./agent_config.ts";
import type { Options } from "./options.ts";
import type { Output } from "./output.ts";
import { VERSION } from "./version.ts";

/** For the owner, who writes, and the group of the directory, which reads. */
const HANDED_MODE = 0o640;

/** Permission to read. */
const FOR_GROUP = 0o040;
const FOR_ALL = 0o004;

/** migasfree's own configuration: with another one, it tells something else. */
const MIGASFREE_CONF = "/etc/migasfree.conf";

/** How long all questions to migasfree may take. Its own limits are less. */
const ASK_TIMEOUT_MS = 80_000;

/**
 * `hand-identity DIR`: copies certificate, key and CA of this computer to
 * where an agent that is not root may read them, and with them what migasfree
 * tells to root alone. To be run as root, again and again: migasfree is asked
 * anew only if that may change something.
 */
export async function runHandIdentity(
  dir: string,
  options: Options,
  output: Output,
): Promise<number> {
  const settings = await readAgentSettings(options);
  requireOwn(settings.path);
  requireOwn(dir);
  for (const warning of settings.warnings) output.say(warning);
  await makeReadable(settings.path, dir);
  const stamp = [VERSION, ...[settings.path, MIGASFREE_CONF].map(fileStamp)]
    .join();
  const known = await knownFacts(dir);
  const isKnown = known?.fault === null && known.stamp === stamp;
  const facts = isKnown ? known : await learn(settings, stamp);
  await copyAll(facts, dir);
  if (!isKnown && JSON.stringify(facts) !== JSON.stringify(known)) {
    const text = `${JSON.stringify(facts, undefined, 2)}\n`;
    await writeFileAtomically(join(dir, HANDED.facts), text, HANDED_MODE);
    output.say(sentence(facts));
  }
  return 0;
}

/**
 * Gives whoever may read `dir` the right to read the configuration: an editor,
 * or a person, may have left it to root alone.
 */
async function makeReadable(path: string, dir: string): Promise<void> {
  if (!await Bun.file(path).exists()) return;
  const { gid, mode, uid } = await stat(path);
  const { gid: readerGid } = await stat(dir);
  const isReadable = (mode & FOR_ALL) !== 0 ||
    gid === readerGid && (mode & FOR_GROUP) !== 0;
  if (isReadable) return;
  await chown(path, uid, readerGid);
  await chmod(path, (mode & 0o777) | FOR_GROUP);
}

/** Undefined if there are none, or of another version. */
async function knownFacts(dir: string): Promise<HandedFacts | undefined> {
  try {
    return parseHandedFacts(await readText(join(dir, HANDED.facts), "facts"));
  } catch {
    return undefined; // Then they are made anew.
  }
}

async function learn(
  settings: AgentSettingsFile,
  stamp: string,
): Promise<HandedFacts> {
  try {
    const signal = AbortSignal.timeout(ASK_TIMEOUT_MS);
    const { config } = await completeAgentConfig(settings, signal);
    checkSources(config);
    return handedFacts(stamp, config, undefined);
  } catch (error) {
    const fault = error instanceof Fault ? error : late(error);
    return handedFacts(stamp, undefined, fault);
  }
}

/** Root must not be talked into copying what is not the computer's. */
function checkSources({ caFile, certFile, keyFile }: AgentConfig): void {
  for (const path of [caFile, certFile, keyFile]) {
    if (path !== undefined) requireOwn(path);
  }
}

function late(cause: unknown): Fault {
  return new Fault("linkSilent", "Cannot wait for migasfree any longer", {
    hint: "Run `migasfree info id` yourself, and look at what it waits for",
    cause,
  });
}

async function copyAll(facts: HandedFacts, dir: string): Promise<void> {
  await copy(facts.ca_file, join(dir, HANDED.ca), "CA certificate");
  await copy(facts.key_file, join(dir, HANDED.key), "key");
  await copy(facts.cert_file, join(dir, HANDED.cert), "certificate");
}

/** Only if it differs: the agent notices each time. */
async function copy(
  from: string | null,
  to: string,
  what: string,
): Promise<void> {
  const text = from === null ? undefined : await textOf(from, what);
  if (text === undefined) return await rm(to, { force: true });
  if (await textOf(to, what) === text) return;
  await writeFileAtomically(to, text, HANDED_MODE);
}

/** Undefined if there is no such file. @throws {Fault} `configInvalid`. */
async function textOf(
  path: string,
  what: string,
): Promise<string | undefined> {
  try {
    const text = await readText(path, what);
    if (text.includes("-----BEGIN ")) return text;
  } catch (error) {
    const cause = error instanceof Fault ? error.cause : error;
    if (errorCode(cause) === "ENOENT") return undefined;
    throw error;
  }
  throw new Fault("configInvalid", `Cannot use ${what} ${path}: it is no PEM`, {
    hint: "Give the file that begins with -----BEGIN",
  });
}

function sentence({ device_id: id, fault }: HandedFacts): string {
  return fault
    ? `Handed over why there is no identity yet: ${fault.message}`
    : `Handed over the identity of device ${id}`;
}
