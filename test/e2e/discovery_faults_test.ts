import { expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { DiscoverySite, lineCount } from "../support/discovery_site.ts";
import { eventually } from "../support/eventually.ts";
import { freePort } from "../support/free_port.ts";

/** Programs of the system, and no migasfree among them. */
const WITHOUT_MIGASFREE = { PATH: "/usr/bin:/bin" };

function isAlive(pid: number): boolean {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    return !/^\d+ \(.*\) [ZX]/.test(stat);
  } catch {
    return false; // There is no such process.
  }
}

test(
  "without migasfree and without what it knows, an agent ends with 78",
  async () => {
    await using made = await DiscoverySite.create();
    const { child, config } = await made.start("", WITHOUT_MIGASFREE);
    expect(await child.exited).toBe(78);
    const { stderr } = child.output();
    expect(stderr.trim().split("\n").slice(-2)).toEqual([
      "migasfree-agent: Cannot run without device_id and gateway: " +
      `${config} does not say it, and migasfree is not installed`,
      "  hint: Install migasfree-client, or write into that file: " +
      'device_id = 7, gateway = "wss://mf.example.org/tunnel"',
    ]);
    const half = await made.start("device_id = 7", WITHOUT_MIGASFREE);
    expect(await half.child.exited).toBe(78);
    expect(half.child.output().stderr).toContain(
      "Cannot run without gateway: ",
    );
  },
  30_000,
);

test("without migasfree an agent that has all it needs runs", async () => {
  await using made = await DiscoverySite.create();
  const { identity } = made;
  const toml = `device_id = 7
gateway = "${made.gateway.url}"
ca_file = "${identity.ca_file}"
cert_file = "${identity.cert_file}"
key_file = "${identity.key_file}"`;
  const { child } = await made.start(toml, WITHOUT_MIGASFREE);
  await child.line(/link\.open /);
  expect(lineCount(child, /config\./)).toBe(0);
}, 30_000);

test(
  "a configuration that is wrong ends with 78, and migasfree is not asked",
  async () => {
    await using made = await DiscoverySite.create();
    for (const toml of ["device_id = 0", 'gatewy = "wss://mf"', "["]) {
      const { child } = await made.start(toml);
      expect(await child.exited).toBe(78);
    }
    expect(made.migasfree.calls).toEqual([]);
  },
  30_000,
);

test(
  "a migasfree that hangs is given up after 10 s, and an agent can be stopped",
  async () => {
    await using made = await DiscoverySite.create();
    const { migasfree } = made;
    await migasfree.conf('echo $$ >> "$dir/pids"; sleep 600; true');
    const startMs = performance.now();
    const { child } = await made.start();
    await child.line(/config\.incomplete .*runs for more than 10 s/);
    expect(performance.now() - startMs).toBeGreaterThan(9_900);
    const pids = () =>
      readFileSync(`${migasfree.dir}/pids`, "utf8").trim().split("\n").map(
        Number,
      );
    const [first = 0] = pids();
    await eventually("it was killed", () => !isAlive(first));
    child.kill("SIGHUP");
    await eventually("it was asked again", () => pids().length === 2);
    const stopMs = performance.now();
    child.kill("SIGTERM");
    expect(await child.exited).toBe(0);
    expect(performance.now() - stopMs).toBeLessThan(2_000);
    await eventually("nobody is left", () => !pids().some(isAlive));
  },
  40_000,
);

test(
  "a hostile migasfree is refused: endless, or no JSON, or a broken server",
  async () => {
    await using made = await DiscoverySite.create();
    const { migasfree } = made;
    await migasfree.conf("exec yes");
    const { child } = await made.start();
    await child.line(/config\.incomplete .*code=messageTooLarge/);
    await migasfree.conf("echo '[]'");
    child.kill("SIGHUP");
    await child.line(/config\.incomplete .*it is no JSON object/);
    await migasfree.conf({ server: "\u001b[2J" });
    child.kill("SIGHUP");
    await child.line(/config\.incomplete .*\?\[2J.* is no address/);
    await migasfree.conf(made.conf());
    child.kill("SIGHUP");
    await child.line(/link\.open /);
  },
  30_000,
);

test("item 7: an agent outlives each fault of the manager", async () => {
  await using made = await DiscoverySite.create();
  const { manager } = made;
  manager.queue.push(
    { status: 503, body: "<html>" },
    { status: 429, body: "<html>", headers: { "retry-after": "1" } },
    { status: 200, body: "<html>" },
    { status: 200, body: { relay: "https://not.a.gateway/" } },
  );
  const { child } = await made.start();
  await child.line(/link\.open /, 30_000);
  const codes = child.output().stderr.split("\n")
    .flatMap((line) => /link\.failed .*code=(\w+)/.exec(line)?.[1] ?? []);
  expect(codes).toEqual([
    ...["gatewayRefused", "quotaExceeded", "messageInvalid", "messageInvalid"],
  ]);
  const times = manager.registrations.map(({ atMs }) => atMs);
  const gaps = times.slice(1).map((atMs, index) => atMs - (times[index] ?? 0));
  expect(gaps).toHaveLength(4);
  expect(Math.min(...gaps)).toBeGreaterThan(950);
}, 60_000);

test(
  "an agent registers what is open, and again when it comes back",
  async () => {
    await using made = await DiscoverySite.create();
    const { gateway, manager, site } = made;
    const port = await freePort();
    const services = `[services]\necho = "127.0.0.1:${port}"`;
    const { child } = await made.start(services);
    await child.line(/link\.open /);
    const server = Bun.listen({
      hostname: "127.0.0.1",
      port,
      socket: { data: () => undefined },
    });
    site.own({
      [Symbol.asyncDispose]: () => Promise.resolve(server.stop(true)),
    });
    expect(manager.registrations.map(({ body }) => body))
      .toEqual([{ id: 7, name: "aula-7", services: [] }]);

    await gateway.child[Symbol.asyncDispose]();
    await child.line(/link\.lost .*code=gatewayDraining/);
    const moved = await site.gateway({ name: "moved" });
    manager.relay = moved.url;
    await moved.child.line(/agent\.online device=7 /, 30_000);
    expect(manager.registrations.at(-1)?.body)
      .toEqual({ id: 7, name: "aula-7", services: ["echo"] });
  },
  60_000,
);

test(
  "slow lane: a manager that refuses the certificate is asked again in minutes",
  async () => {
    await using made = await DiscoverySite.create();
    made.manager.queue.push({
      status: 403,
      body: { detail: "Forbidden: Invalid Client Certificate" },
    });
    const { child } = await made.start();
    const line = await child.line(/link\.failed .*code=roleRefused/);
    expect(line).toContain("(403: Forbidden: Invalid Client Certificate)");
    expect(Number(/waitMs=(\d+)/.exec(line)?.[1])).toBeGreaterThanOrEqual(
      120_000,
    );
  },
  30_000,
);
