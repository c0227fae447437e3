import { symlink } from "node:fs/promises";
import { join } from "node:path";
import type { Child } from "../test/support/child.ts";
import type { Site } from "../test/support/site.ts";
import { type Sshd, sshdMissing, startSshd } from "../test/support/sshd.ts";
import { compareWays } from "./compare_ways.ts";
import { DemoFailure } from "./demo_failure.ts";
import { type DemoSsh, makeDemoSsh } from "./demo_ssh.ts";
import { startSsh2Server } from "./ssh2_server.ts";

export interface DemoOptions {
  readonly sizeMib: number;
  /** Whether to do without OpenSSH's server. */
  readonly ssh2: boolean;
  readonly say: (text: string) => void;
}

/** All that the demonstration has started. */
export interface DemoWorld {
  readonly gateway: Child;
  readonly agent: Child;
  readonly agentConfig: string;
  readonly operatorFlags: readonly string[];
  readonly ssh: DemoSsh;
}

/** Does one thing. @throws {DemoFailure} That says what it was. */
export type Attempt = <T>(
  what: string,
  work: () => Promise<T>,
) => Promise<{ readonly result: T; readonly seconds: number }>;

export const DEVICE_ID = 7;

/**
 * Starts everything, logs in and copies a file, through the tunnel and without
 * it, and says how that went. What it starts ends with the site.
 *
 * @throws {DemoFailure} If something does not come up or does not work.
 * @throws `signal.reason` before the next step, once it aborts.
 */
export async function showTunnel(
  site: Site,
  { say, sizeMib, ssh2 }: DemoOptions,
  signal: AbortSignal,
): Promise<DemoWorld> {
  const attempt: Attempt = async (what, work) => {
    signal.throwIfAborted();
    const startMs = performance.now();
    const result = await work().catch((cause) => {
      throw DemoFailure.from(what, cause);
    });
    return { result, seconds: (performance.now() - startMs) / 1_000 };
  };
  const certificates = await attempt(
    "make certificates",
    () => site.identity("operator", "maria"),
  );
  say("1. Made a certificate authority, and an operator's certificate.");
  const server = await attempt("start an SSH server", () => serve(site, ssh2));
  const { missing, sshd } = server.result;
  say(
    missing === undefined
      ? `2. Started OpenSSH's sshd on 127.0.0.1:${sshd.port}, with its own key.`
      : "2. Started the ssh2 library's SSH server on " +
        `127.0.0.1:${sshd.port}, with its own key:\n   ${missing}.`,
  );
  const gateway = await attempt("start the gateway", () => site.gateway());
  const { child, port, url } = gateway.result;
  say(`3. Started a gateway on 127.0.0.1:${port}.`);
  const services = { ssh: sshd.port };
  const agent = await attempt(
    "start the agent",
    () => site.agent({ id: DEVICE_ID, url, services }),
  );
  say(
    `4. Started an agent. It has told the gateway that it is device ` +
      `${DEVICE_ID}, "aula-${DEVICE_ID}",\n   and that it has an SSH server.`,
  );
  const operatorFlags = site.operatorFlags(url, certificates.result);
  const ssh = await makeDemoSsh(site, sshd, operatorFlags, missing);
  say(await compareWays(site, ssh, sizeMib, attempt));
  return {
    gateway: child,
    agent: agent.result.child,
    agentConfig: agent.result.config,
    operatorFlags,
    ssh,
  };
}

/** Starts the machine's own sshd or, if that is missing, another server. */
async function serve(
  site: Site,
  ssh2: boolean,
): Promise<{ sshd: Sshd; missing: string | undefined }> {
  const missing = ssh2 ? "--ssh2 was asked for" : sshdMissing();
  const server = missing === undefined ? startSshd() : startSsh2Server();
  const sshd = site.own(await server);
  await symlink(sshd.logFile, join(site.dir, "sshd.log"));
  return { sshd, missing };
}
