import { expect, test } from "bun:test";
import { readdirSync, readFileSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import type { Child } from "../support/child.ts";
import { FaultRelay } from "../support/fault_relay.ts";
import {
  GATEWAY_ADDRESS,
  Network,
  networkMissing,
} from "../support/network.ts";
import { BINARY, Site } from "../support/site.ts";
import { type Sshd, sshdMissing, startSshd } from "../support/sshd.ts";
import { testUnless } from "../support/test_unless.ts";

const LIMIT_MS = 60_000;
const SLEEP_MS = 30_000;
/** What is promised, and what it takes to see that it was kept. */
const NOTICED_MAX_MS = 5_000;

/** Side by side: most of the time they wait. */
function roamingTest(missing: string | undefined): typeof test.concurrent {
  if (missing === undefined) return test.concurrent;
  return testUnless(missing) as typeof test.concurrent;
}

/** An ssh session that has begun, and ends with 7 when it is let go on. */
interface Session {
  readonly child: Child;
  /** Lets it go on; expects all that it says then. */
  readonly finish: () => Promise<void>;
}

async function openSession(
  site: Site,
  url: string,
  sshd: Sshd,
  under: readonly string[] = [],
): Promise<Session> {
  const operator = await site.identity("operator", "maria");
  const go = `${site.dir}/go`;
  const remote = `echo up; until [ -e ${go} ]; do sleep 0.1; done; ` +
    "seq 1 20000 | tail -n 1; exit 7";
  const child = site.start([
    ...[...under, BINARY, "ssh", `${sshd.user}@7`],
    ...site.operatorFlags(url, operator),
    ...["--", "-i", sshd.identityFile, remote],
  ]);
  await child.line(/^up$/);
  return {
    child,
    finish: async () => {
      await writeFile(go, "");
      expect(await child.line(/^20000$/)).toBe("20000");
      expect(await child.exited).toBe(7);
    },
  };
}

/** The one `connect --stdio` that `ssh` has started for this site. */
function connectPid(site: Site): number {
  const found = readdirSync("/proc").map(Number).filter((pid) => {
    try {
      const words = readFileSync(`/proc/${pid}/cmdline`, "utf8").split("\0");
      return words[1] === "connect" && words.join(" ").includes(site.dir);
    } catch {
      return false; // No process, or one that has ended meanwhile.
    }
  });
  expect(found.length).toBe(1);
  return found[0] ?? 0;
}

roamingTest(sshdMissing())(
  "an ssh session lives through a sleep of the operator's computer, and its link's death meanwhile",
  async () => {
    await using site = await Site.create();
    const sshd = site.own(await startSshd());
    const gateway = await site.gateway();
    await site.agent({ id: 7, url: gateway.url, services: { ssh: sshd.port } });
    const target = { host: "127.0.0.1", port: gateway.port };
    const relay = site.own(await FaultRelay.listen({ target }));
    const url = `wss://localhost:${relay.port}/tunnel`;
    const session = await openSession(site, url, sshd);
    const pid = connectPid(site);
    process.kill(pid, "SIGSTOP");
    relay.swallow();
    await Bun.sleep(SLEEP_MS);
    process.kill(pid, "SIGCONT");
    const startMs = performance.now();
    await session.child.line(/was silent for \d+ s; coming back$/);
    await session.child.line(/^The tunnel is back after /);
    expect(performance.now() - startMs).toBeLessThan(NOTICED_MAX_MS);
    await session.finish();
  },
  LIMIT_MS,
);

roamingTest(sshdMissing() ?? networkMissing())(
  "an ssh session lives through a change of the agent's address",
  async () => {
    await using site = await Site.create(GATEWAY_ADDRESS);
    const network = site.own(await Network.create());
    const { address, under } = network.gateway;
    const sshd = site.own(await startSshd(network.agent.under));
    const gateway = await site.gateway({ address, under });
    const url = `wss://${GATEWAY_ADDRESS}:${gateway.port}/tunnel`;
    const services = { ssh: sshd.port };
    const agent = await site.agent({
      ...{ id: 7, url, services, under: network.agent.under },
    });
    const session = await openSession(site, url, sshd, under);
    await network.moveAgent();
    const startMs = performance.now();
    await agent.child.line(/tunnel\.detach .*code=linkSilent/);
    expect(performance.now() - startMs).toBeLessThan(NOTICED_MAX_MS);
    await agent.child.line(/tunnel\.resume /);
    await session.finish();
  },
  LIMIT_MS,
);

roamingTest(sshdMissing())(
  "an ssh session lives through 30 s of a black hole that holds its links",
  async () => {
    await using site = await Site.create();
    const sshd = site.own(await startSshd());
    const tables = "[heartbeat]\ninterval_ms = 1000\ntimeout_ms = 3000";
    const gateway = await site.gateway({ tables });
    const target = { host: "127.0.0.1", port: gateway.port };
    const relay = site.own(await FaultRelay.listen({ target }));
    const url = `wss://localhost:${relay.port}/tunnel`;
    await site.agent({ id: 7, url, services: { ssh: sshd.port } });
    const session = await openSession(site, url, sshd);
    relay.swallow();
    relay.set({ welcome: "held" });
    await session.child.line(/coming back$/);
    await Bun.sleep(SLEEP_MS);
    relay.set({ welcome: "relayed" });
    const startMs = performance.now();
    await session.child.line(/The tunnel is back after /, 20_000);
    expect(performance.now() - startMs).toBeLessThan(NOTICED_MAX_MS);
    await session.finish();
  },
  LIMIT_MS,
);
