import { mkdir, readFile, writeFile } from "node:fs/promises";
import type { Validity } from "../../src/runtime/certificate_authority.ts";
import type { Child } from "./child.ts";
import { runChild } from "./child.ts";
import { BINARY, type Identity, type Site } from "./site.ts";
import { siteAuthority } from "./site_authority.ts";

const DAY_MS = 86_400_000;

/** A token as `pki token --json` prints it. */
export interface MadeToken {
  readonly token: string;
  readonly id: string;
  readonly pin: string;
}

/** How an `enroll` ended, and what it would have made. */
export interface EnrollEnd {
  readonly status: number;
  readonly sentence: string;
  readonly hint: string;
  readonly stdout: string;
  readonly config: string;
  readonly folder: string;
}

/** A gateway that gives certificates of its site's CA away. */
export async function enrollingGateway(
  site: Site,
  name: string,
  onClone = "report",
): Promise<Awaited<ReturnType<Site["gateway"]>>> {
  const tables = `[enroll]
pki_dir = "${site.pkiDir}"
on_clone = "${onClone}"`;
  return await site.gateway({ name, tables });
}

export async function makeToken(
  site: Site,
  ...flags: readonly string[]
): Promise<MadeToken> {
  const args = ["pki", "token", site.pkiDir, "--json", ...flags];
  return JSON.parse(await site.cli(args));
}

/** Runs `enroll` for a computer whose files are in the folder `name`. */
export async function enroll(
  site: Site,
  url: string,
  token: string,
  name: string,
  ...flags: readonly string[]
): Promise<EnrollEnd> {
  const config = `${site.dir}/${name}/agent.toml`;
  const { status, stderr, stdout } = await runChild([
    ...[BINARY, "enroll", "--gateway", url, "--token", token],
    ...["--config", config, ...flags],
  ], { env: { HOME: site.dir } });
  const lines = stderr.split("\n");
  const said = (prefix: string) =>
    lines.find((line) => line.startsWith(prefix))?.slice(prefix.length) ?? "";
  return {
    ...{ status, stdout, config },
    sentence: said("migasfree-agent: "),
    hint: said("  hint: "),
    folder: `${site.dir}/${name}/identity`,
  };
}

/** Starts the agent of an enrolled computer, with what `enroll` wrote. */
export function startEnrolled(
  site: Site,
  { config }: Pick<EnrollEnd, "config">,
  { name, services = {} }: {
    readonly name: string;
    readonly services?: Readonly<Record<string, number>>;
  },
): Child {
  const env: Record<string, string> = {
    MIGASFREE_AGENT_STATE_DIR: `${site.dir}/${name}`,
  };
  for (const [service, port] of Object.entries(services)) {
    const key = `MIGASFREE_AGENT_SERVICES_${service.toUpperCase()}`;
    env[key] = `127.0.0.1:${port}`;
  }
  const argv = [BINARY, "run", "--config", config];
  return site.start(argv, env, `${name}.log`);
}

/** A life of 90 days that ends in `leftDays`. */
export function lifeThatEndsIn(leftDays: number): Validity {
  const nowMs = Date.now();
  return {
    notBefore: new Date(nowMs + (leftDays - 90) * DAY_MS),
    notAfter: new Date(nowMs + leftDays * DAY_MS),
  };
}

/** Makes an enrolled computer's files, as if it had enrolled a while ago. */
export async function enrolledIdentity(
  site: Site,
  deviceId: number,
  validity: Validity,
): Promise<Identity> {
  const name = `enrolled_${deviceId}`;
  const authority = await siteAuthority(site);
  const issued = await authority.issueComputer(name, validity);
  const records = `${site.pkiDir}/issued/computers/${name}`;
  await mkdir(records, { recursive: true });
  await writeFile(`${records}/${issued.serial}.pem`, issued.certPem);
  const ca = await readFile(`${site.pkiDir}/ca.pem`, "utf8");
  return {
    ca_file: await site.write(`${name}/identity/ca.pem`, ca),
    cert_file: await site.write(`${name}/identity/cert.pem`, issued.certPem),
    key_file: await site.write(`${name}/identity/key.pem`, issued.keyPem),
  };
}
