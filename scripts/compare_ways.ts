import { randomBytes } from "node:crypto";
import { open, rm } from "node:fs/promises";
import { join } from "node:path";
import type { Site } from "../test/support/site.ts";
import { DemoFailure } from "./demo_failure.ts";
import type { DemoSsh } from "./demo_ssh.ts";
import type { Attempt } from "./demo_steps.ts";

const MEBIBYTE = 1024 ** 2;
const REMOTE_COMMAND = "uname -n";

/** How one way to the computer did. */
interface Measured {
  readonly said: string;
  readonly loginSeconds: number;
  readonly copySeconds: number;
}

/**
 * Logs in and copies random bytes, through the tunnel and directly. Returns
 * what people are told of it: a login's time is in each figure.
 *
 * @throws {DemoFailure} Also if what arrives is not what was sent.
 */
export async function compareWays(
  site: Site,
  ssh: DemoSsh,
  sizeMib: number,
  attempt: Attempt,
): Promise<string> {
  const file = join(site.dir, "sent");
  const copy = join(site.dir, "arrived");
  const sent = await attempt(
    "write a file of random bytes",
    () => writeRandom(file, sizeMib),
  );
  const measure = async (way: "tunnel" | "direct"): Promise<Measured> => {
    const words = way === "tunnel" ? "through the tunnel" : "directly";
    const client = ssh[way];
    const login = await attempt(
      `log in ${words}`,
      () => client.run(REMOTE_COMMAND),
    );
    const copying = await attempt(
      `copy a file ${words}`,
      () => client.copy(file, copy),
    );
    await attempt(`copy a file ${words}`, async () => {
      if (await sha256(copy) === sent.result) return;
      throw new DemoFailure("other bytes arrived than were sent");
    });
    await rm(copy);
    return {
      said: login.result.trim(),
      loginSeconds: login.seconds,
      copySeconds: copying.seconds,
    };
  };
  const tunnel = await measure("tunnel");
  const direct = await measure("direct");
  await rm(file);
  return describe(ssh, sizeMib, tunnel, direct);
}

function describe(
  { openSsh, user }: DemoSsh,
  sizeMib: number,
  tunnel: Measured,
  direct: Measured,
): string {
  const [login, copy] = openSsh
    ? ["by `migasfree-agent ssh` and OpenSSH:\n  ", "scp"]
    : [
      "by `migasfree-agent connect --listen`\n   and the ssh2 library's " +
      "client, for no ssh is installed:",
      "that client",
    ];
  const speed = ({ copySeconds }: Measured) => {
    const megabytes = sizeMib * MEBIBYTE / 1e6 / copySeconds;
    return `${copySeconds.toFixed(2)} s, ${megabytes.toFixed(0)} MB/s`;
  };
  const logins = ({ loginSeconds }: Measured) => `${loginSeconds.toFixed(2)} s`;
  const row = (...[title = "", left = "", right = ""]: string[]) =>
    `   ${title.padEnd(24)}${left.padEnd(22)}${right}`.trimEnd();
  return `5. Logged in as ${user} through the tunnel, ${login} \`${REMOTE_COMMAND}\` said "${tunnel.said}".
6. Copied ${sizeMib} MiB of random bytes through the tunnel by ${copy}:
   they arrived unchanged, as their SHA-256 shows.

${row("", "through the tunnel", "directly")}
${row("log in, run a command", logins(tunnel), logins(direct))}
${row(`log in, copy ${sizeMib} MiB`, speed(tunnel), speed(direct))}

The tunnel is two TLS connections, operator to gateway and agent to gateway,
with mutual certificates; SSH is encrypted from end to end inside of it.`;
}

/** Writes random bytes. Returns their digest. */
async function writeRandom(path: string, sizeMib: number): Promise<string> {
  const hasher = new Bun.CryptoHasher("sha256");
  await using file = await open(path, "wx", 0o600);
  for (let index = 0; index < sizeMib; index++) {
    const block = randomBytes(MEBIBYTE);
    hasher.update(block);
    await file.write(block);
  }
  return hasher.digest("hex");
}

async function sha256(path: string): Promise<string> {
  const hasher = new Bun.CryptoHasher("sha256");
  for await (const chunk of Bun.file(path).stream()) hasher.update(chunk);
  return hasher.digest("hex");
}
