import { randomBytes } from "node:crypto";
import { join } from "node:path";
import { runChild } from "../test/support/child.ts";
import { startInTerminal } from "../test/support/terminal.ts";
import { BINARY } from "../test/support/site.ts";
import type { ChaosTally } from "./chaos_tally.ts";
import type { ChaosWorld } from "./chaos_world.ts";

const SCP_BYTES = 24 * 1024 * 1024;
const SFTP_BYTES = 4 * 1024 * 1024;
/** So that a copy takes some seconds, and a fault meets it. */
const SCP_KBIT_PER_SECOND = 64_000;
const SFTP_KBIT_PER_SECOND = 16_000;
const TYPE_EVERY_MS = 300;
/** A program that failed to open waits for things to be better. */
const AGAIN_MS = 500;

/** ssh says so once bytes of the other side have come through the tunnel. */
const OPENED_REGEXP = /Remote protocol version/;

/** Writes what ssh, scp and sftp are started with. Returns its path. */
export async function writeSshConfig(world: ChaosWorld): Promise<string> {
  const { operator, site, sshd, url } = world;
  const flags = site.operatorFlags(url, operator);
  const stanza = await site.cli(["ssh", "--print-config", ...flags]);
  return await site.write(
    "ssh_config",
    `${stanza}  IdentityFile ${sshd.identityFile}
  User ${sshd.user}
  StrictHostKeyChecking accept-new
  UserKnownHostsFile ${site.dir}/known_hosts
`,
  );
}

/** Copies files to the device and back, one after the other. */
export async function runScp(
  world: ChaosWorld,
  config: string,
  tally: ChaosTally,
  goesOn: () => boolean,
): Promise<void> {
  const path = (name: string) => join(world.site.dir, name);
  const [from, there, back] = [
    path("scp"),
    path("scp.there"),
    path("scp.back"),
  ];
  while (goesOn()) {
    await Bun.write(from, randomBytes(SCP_BYTES));
    const limit = ["-l", String(SCP_KBIT_PER_SECOND)];
    const argv = ["scp", "-v", ...limit, "-F", config];
    const isThere = await runOne(
      "scp",
      [...argv, from, `7.mf:${there}`],
      tally,
    );
    if (!isThere) continue;
    if (!await runOne("scp", [...argv, `7.mf:${there}`, back], tally)) continue;
    await compare(from, back, SCP_BYTES, tally);
  }
}

/** Puts files, and gets them. */
export async function runSftp(
  world: ChaosWorld,
  config: string,
  tally: ChaosTally,
  goesOn: () => boolean,
): Promise<void> {
  const { dir } = world.site;
  const [from, back] = [`${dir}/sftp`, `${dir}/sftp.back`];
  const batch = await world.site.write(
    "sftp.batch",
    `put ${from} ${dir}/sftp.there\nget ${dir}/sftp.there ${back}\n`,
  );
  while (goesOn()) {
    await Bun.write(from, randomBytes(SFTP_BYTES));
    const limit = ["-l", String(SFTP_KBIT_PER_SECOND)];
    const argv = ["sftp", "-v", ...limit, "-F", config, "-b", batch, "7.mf"];
    if (!await runOne("sftp", argv, tally)) continue;
    await compare(from, back, SFTP_BYTES, tally);
  }
}

/** A shell in a terminal, in which somebody types all the time. */
export async function runShell(
  world: ChaosWorld,
  tally: ChaosTally,
  goesOn: () => boolean,
): Promise<void> {
  const { operator, site, sshd, url } = world;
  const flags = site.operatorFlags(url, operator);
  const login = ["-tt", "-i", sshd.identityFile, "env PS1= sh"];
  await using terminal = startInTerminal(
    [BINARY, "ssh", `${sshd.user}@7`, ...flags, "--quiet", "--", ...login],
    { env: { HOME: site.dir } },
  );
  let isOver = false;
  const exited = terminal.exited.then((status) => {
    isOver = true;
    return status;
  });
  for (let count = 1; goesOn() && !isOver; count++) {
    terminal.type(`echo $((${count} * 7)):\n`);
    // It comes however long the path is broken; `find` is less patient.
    while (!terminal.text().includes(`\n${count * 7}:`) && !isOver) {
      await Bun.sleep(TYPE_EVERY_MS / 10);
    }
    if (!isOver) await terminal.find(new RegExp(`\\n${count * 7}:`));
    await Bun.sleep(TYPE_EVERY_MS);
  }
  terminal.type("exit 7\n");
  const status = await exited;
  if (status === 7) tally.done("shell");
  else tally.lost.push(`shell: exit ${status}: ${terminal.text().slice(-300)}`);
}

/** Runs one program to its end. Returns whether it did what it should. */
async function runOne(
  name: string,
  argv: readonly string[],
  tally: ChaosTally,
): Promise<boolean> {
  const { status, stderr } = await runChild(argv);
  if (status === 0) {
    tally.done(name);
    return true;
  }
  if (OPENED_REGEXP.test(stderr)) {
    const said = stderr.split("\n").filter((line) => !/^debug/.test(line));
    tally.lost.push(`${name}: exit ${status}: ${said.slice(-5).join(" / ")}`);
  } else tally.unopenedCount++;
  await Bun.sleep(AGAIN_MS);
  return false;
}

async function compare(
  from: string,
  back: string,
  size: number,
  tally: ChaosTally,
): Promise<void> {
  const [sent, got] = await Promise.all(
    [from, back].map((path) => Bun.file(path).bytes()),
  );
  tally.carriedBytes += 2 * size;
  const length = Math.max(sent?.length ?? 0, got?.length ?? 0);
  for (let at = 0; at < length; at++) {
    if (sent?.[at] !== got?.[at]) tally.wrongBytes++;
  }
}
