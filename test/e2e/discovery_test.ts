import { expect, test } from "bun:test";
import { existsSync } from "node:fs";
import { runChild } from "../support/child.ts";
import { DiscoverySite, lineCount } from "../support/discovery_site.ts";
import { eventually } from "../support/eventually.ts";
import { BINARY } from "../support/site.ts";

const CONF = "--quiet conf --json";
const ID = "--quiet info id";

async function ask(
  { migasfree, site }: DiscoverySite,
  command: string,
  config: string,
) {
  const argv = [BINARY, command, "--json", "--config", config];
  const env = { HOME: site.dir, ...migasfree.env };
  const { status, stdout, stderr } = await runChild(argv, { env });
  return { status, stderr, answer: JSON.parse(stdout || "null") };
}

test(
  "items 1-3, 6: an agent learns all from migasfree, and registers",
  async () => {
    await using made = await DiscoverySite.create();
    const { identity, manager, migasfree, site } = made;
    const { child, config } = await made.start();
    await child.line(/link\.open /);
    expect(migasfree.calls).toEqual([CONF, ID]);
    expect(await child.line(/config\.discovered /)).toEndWith(
      ` device=7 name=aula-7 where=https://localhost:${manager.port} ` +
        `ca=${identity.ca_file}`,
    );
    const services = manager.registrations.map(({ body }) =>
      Object(body).services
    );
    expect(manager.registrations).toEqual([{
      atMs: expect.any(Number),
      path: "/manager/v1/private/tunnel/register",
      body: { id: 7, name: "aula-7", services: expect.any(Array) },
      commonName: "uuid-7_1",
    }]);
    expect(services.flat().every((name) => typeof name === "string")).toBe(
      true,
    );
    const operator = await site.identity("operator", "maria");
    const flags = site.operatorFlags(made.gateway.url, operator);
    const devices = JSON.parse(await site.cli(["devices", "--json", ...flags]));
    expect(devices).toMatchObject([{ id: 7, name: "aula-7", online: true }]);
    const status = await ask(made, "status", config);
    expect(status).toMatchObject({
      status: 0,
      answer: {
        "device_id": 7,
        name: "aula-7",
        link: "online",
        gateway: made.gateway.url,
      },
    });
    // Whoever asks an agent does not ask migasfree.
    expect(migasfree.calls).toEqual([CONF, ID]);
  },
  30_000,
);

test(
  "what agent.toml and the environment say wins, and only the rest is asked",
  async () => {
    await using made = await DiscoverySite.create();
    const { identity, manager, migasfree } = made;
    const first = await made.start('device_id = 9\nname = "mine"');
    await first.child.line(/link\.open /);
    expect(migasfree.calls).toEqual([CONF]);
    expect(manager.registrations[0]?.body).toMatchObject({
      id: 9,
      name: "mine",
    });
    await first.child[Symbol.asyncDispose]();

    const files = `ca_file = "${identity.ca_file}"
cert_file = "${identity.cert_file}"
key_file = "${identity.key_file}"
gateway = "${made.gateway.url}"
device_id = 9`;
    const env = { ...migasfree.env, MIGASFREE_AGENT_NAME: "environment" };
    const second = await made.start(files, env);
    await second.child.line(/link\.open /);
    expect(migasfree.calls).toEqual([CONF]);
    expect(await second.child.line(/agent\.start /))
      .toContain(" device=9 name=environment ");
    expect(lineCount(second.child, /config\./)).toBe(0);
  },
  30_000,
);

test(
  "an agent waits until its computer is registered, and says so once",
  async () => {
    await using made = await DiscoverySite.create();
    const { migasfree } = made;
    await migasfree.id("echo 'Computer is not registered' >&2; exit 1");
    const { child, config } = await made.start();
    const line = await child.line(/config\.incomplete /);
    expect(line).toContain("`migasfree --quiet info id` ended with 1");
    expect(line).toContain("migasfree says: Computer is not registered");
    const waitMs = Number(/waitMs=(\d+)/.exec(line)?.[1]);
    expect(waitMs).toBeGreaterThanOrEqual(60_000);
    expect(waitMs).toBeLessThanOrEqual(180_000);
    const round = [CONF, ID, `sudo ${ID}`];
    expect(migasfree.calls).toEqual(round);
    const status = await ask(made, "status", config);
    expect(status).toMatchObject({
      status: 69,
      answer: {
        "device_id": null,
        link: "waiting",
        "last_fault": { code: "configInvalid" },
      },
    });

    // The same reason again is nothing new, another one is.
    await migasfree.id('[ -n "$AS_ROOT" ] && touch "$dir/asked"; exit 1');
    child.kill("SIGHUP");
    const asked = `${migasfree.dir}/asked`;
    await eventually("it was asked by sudo", () => existsSync(asked));
    await migasfree.id("echo 7 is my lucky number");
    child.kill("SIGHUP");
    await child.line(/config\.incomplete .*printed no device id/);
    expect(lineCount(child, /config\.incomplete /)).toBe(2);
    expect(migasfree.calls).toEqual([...round, ...round, ...round]);

    // As root it may ask: then the computer is registered.
    await migasfree.id('[ -n "$AS_ROOT" ] && echo 7');
    child.kill("SIGHUP");
    await child.line(/link\.open /);
    expect(lineCount(child, /config\.incomplete /)).toBe(2);
  },
  40_000,
);

test(
  "item 3: an agent goes without a certificate until there is one",
  async () => {
    await using made = await DiscoverySite.create();
    const { identity, manager, site } = made;
    const folder = `${site.dir}/mtls/localhost`;
    await made.migasfree.conf({
      ...made.conf(),
      "ca_file": `${folder}/ca.pem`,
    });
    const part = (name: string, from: string) =>
      Bun.file(from).text().then((text) =>
        site.write(`mtls/localhost/${name}`, text)
      );
    await part("ca.pem", identity.ca_file);
    const { child, config } = await made.start();
    await child.line(/identity\.missing .*certFile=\S+\/localhost\/cert\.pem/);
    const refused = await child.line(/link\.failed .*code=certificateMissing/);
    const waitMs = Number(/waitMs=(\d+)/.exec(refused)?.[1]);
    expect(waitMs).toBeGreaterThanOrEqual(120_000);
    const { answer } = await ask(made, "doctor", config);
    const rows = new Map<string, { result: string; detail: string }>(
      answer.map((row: { check: string }) => [row.check, row]),
    );
    expect(rows.get("migasfree")).toMatchObject({ result: "PASS" });
    expect(rows.get("certificate")).toMatchObject({ result: "WARN" });
    expect(rows.has("key")).toBe(false);
    // Enrolled: nobody has to tell the agent.
    await part("cert.pem", identity.cert_file);
    await part("key.pem", identity.key_file);
    await child.line(/link\.open /);
    expect(lineCount(child, /identity\.missing /)).toBe(1);
    expect(manager.registrations.map(({ commonName }) => commonName))
      .toEqual([undefined, "uuid-7_1"]);
  },
  40_000,
);

test("doctor shows what migasfree says, or why it does not", async () => {
  await using made = await DiscoverySite.create();
  const { identity, manager, migasfree } = made;
  const { child, config } = await made.start();
  await child.line(/link\.open /);
  const rowsOf = async () => {
    const { answer } = await ask(made, "doctor", config);
    return answer.map((row: { check: string; result: string }) =>
      `${row.check} ${row.result}`
    );
  };
  const { answer } = await ask(made, "doctor", config);
  expect(answer.find(({ check = "" }) => check === "migasfree")).toEqual({
    check: "migasfree",
    result: "PASS",
    detail: `it says device 7, aula-7, ` +
      `server https://localhost:${manager.port}, CA ${identity.ca_file}`,
  });
  expect((await rowsOf()).slice(0, 8)).toEqual([
    ...["configuration PASS", "migasfree PASS", "certificate PASS"],
    ...["key PASS", "name PASS", "manager PASS", "clock PASS", "agent PASS"],
  ]);
  await migasfree.id("exit 1");
  expect(await rowsOf()).toEqual(["migasfree FAIL", "agent PASS"]);
}, 40_000);
