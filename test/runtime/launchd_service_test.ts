import { expect, test } from "bun:test";
import { LaunchdService } from "../../src/runtime/launchd_service.ts";
import { FakeServiceMachine } from "../support/fake_service_machine.ts";
import { rejection } from "../support/rejection.ts";

const JOBS = "/Library/LaunchDaemons";
const AGENT = "org.migasfree.agent";
const IDENTITY = "org.migasfree.agent.identity";
const PROGRAM = "/usr/local/bin/migasfree-agent";
const SIGNAL = AbortSignal.timeout(60_000);

/** A Mac: its launchd knows what was loaded, dscl who was made. */
class Mac {
  readonly loaded = new Set<string>();
  readonly ids = new Map<string, Map<string, number>>([
    ["/Users", new Map([["root", 0], ["_www", 70]])],
    ["/Groups", new Map([["wheel", 0], ["_taken", 450]])],
  ]);
  /** How often a job is still there after it was ended. */
  lingerCount = 0;
  readonly machine: FakeServiceMachine;
  readonly service: LaunchdService;

  constructor(program: string = PROGRAM) {
    this.machine = new FakeServiceMachine(program, (line) => this.#run(line));
    this.service = new LaunchdService(this.machine);
  }

  #run(line: string) {
    const words = line.split(" ");
    const job = words.at(-1)?.replace(/^system\/|^.*\/|\.plist$/g, "") ?? "";
    const list = this.ids.get(words[3] ?? "");
    if (line.startsWith("launchctl bootstrap")) this.loaded.add(job);
    if (line.startsWith("launchctl bootout") && this.lingerCount === 0) {
      this.loaded.delete(job);
    }
    if (line.startsWith("launchctl print")) return this.#print(job);
    if (line.startsWith("dscl . -list")) {
      return [...list ?? []].map((row) => row.join("   ") + "\n").join("");
    }
    const made =
      /^dscl \. -create (\/\w+)\/(\S+) (?:UniqueID|PrimaryGroupID) (\d+)$/
        .exec(line);
    if (made && (made[1] === "/Users") === line.includes("UniqueID")) {
      this.ids.get(made[1] ?? "")?.set(made[2] ?? "", Number(made[3]));
    }
    return 0;
  }

  #print(job: string) {
    if (!this.loaded.has(job)) return 113;
    if (this.lingerCount > 0 && --this.lingerCount === 0) {
      this.loaded.delete(job);
    }
    return `system/${job} = {\n\tactive count = 1\n\tstate = running\n\n` +
      `\tprogram = ${PROGRAM}\n\tpid = 812\n}\n`;
  }
}

test("install() makes user, directories and jobs, and loads both", async () => {
  const { ids, loaded, machine, service } = new Mac();
  expect(await service.install(SIGNAL)).toEqual([
    `Wrote 2 files to ${JOBS}`,
    "It runs: running",
  ]);
  expect([...loaded]).toEqual([IDENTITY, AGENT]);
  expect(ids.get("/Groups")?.get("_migasfree-agent")).toBe(451);
  expect(ids.get("/Users")?.get("_migasfree-agent")).toBe(451);
  expect([...machine.tree.keys()]).toEqual([
    "/etc/migasfree-agent/",
    "/var/lib/migasfree-agent/",
    "/var/log/migasfree-agent/",
    "/var/lib/migasfree-agent-identity/",
    `${JOBS}/${IDENTITY}.plist`,
    `${JOBS}/${AGENT}.plist`,
  ]);
  const ran = machine.takeRan();
  expect(ran).toContain(
    "/usr/sbin/chown root:_migasfree-agent /var/lib/migasfree-agent-identity",
  );
  expect(ran).toContain(
    "dscl . -create /Users/_migasfree-agent UserShell /usr/bin/false",
  );
  expect(ran.filter((line) => line.startsWith("launchctl boot"))).toEqual([
    `launchctl bootstrap system ${JOBS}/${IDENTITY}.plist`,
    `launchctl bootstrap system ${JOBS}/${AGENT}.plist`,
  ]);
});

test("install() lets the agent's group read a configuration that is root's", async () => {
  const { machine, service } = new Mac();
  machine.tree.set("/etc/migasfree-agent/agent.toml", "device_id = 7");
  await service.install(SIGNAL);
  expect(machine.ran.filter((line) => line.includes("agent.toml"))).toEqual([
    "chown root:_migasfree-agent /etc/migasfree-agent/agent.toml",
    "chmod 0640 /etc/migasfree-agent/agent.toml",
  ]);
});

test("install() a second time makes nothing and ends nothing", async () => {
  const { machine, service } = new Mac();
  await service.install(SIGNAL);
  machine.takeRan();
  expect(await service.install(SIGNAL)).toEqual([
    "The jobs are there already",
    "It runs: running",
  ]);
  expect(machine.takeRan().filter((line) => /create|boot/.test(line)))
    .toEqual([]);
});

test("install() has launchd read jobs anew that have changed", async () => {
  const mac = new Mac();
  await mac.service.install(SIGNAL);
  mac.machine.tree.set(`${JOBS}/${AGENT}.plist`, "of another release");
  mac.machine.takeRan();
  mac.lingerCount = 3;
  await mac.service.install(SIGNAL);
  const ran = mac.machine.takeRan();
  expect(ran.filter((line) => line.startsWith("launchctl boot"))).toEqual([
    `launchctl bootout system/${AGENT}`,
    `launchctl bootout system/${IDENTITY}`,
    `launchctl bootstrap system ${JOBS}/${IDENTITY}.plist`,
    `launchctl bootstrap system ${JOBS}/${AGENT}.plist`,
  ]);
  expect([...mac.loaded]).toEqual([IDENTITY, AGENT]);
});

test("install() refuses a program that the job's user could not read", async () => {
  const { machine, service } = new Mac("/Users/ana/migasfree-agent");
  expect(await rejection(service.install(SIGNAL))).toMatchObject({
    code: "configInvalid",
    hint: "Copy the program to /usr/local/bin, and run it from there",
  });
  expect(machine.ran).toEqual([]);
});

test("stop() makes launchd forget the jobs, start() has it know them again", async () => {
  const mac = new Mac();
  await mac.service.install(SIGNAL);
  expect(await mac.service.stop(SIGNAL)).toEqual([
    "Stopped, until the next boot",
  ]);
  expect(mac.loaded.size).toBe(0);
  expect(await mac.service.state(SIGNAL)).toEqual({
    system: "launchd",
    isInstalled: true,
    isEnabled: true,
    isRunning: false,
    pid: undefined,
    detail: "not loaded",
  });
  await mac.service.stop(SIGNAL);
  await mac.service.start(SIGNAL);
  expect(await mac.service.state(SIGNAL)).toEqual({
    system: "launchd",
    isInstalled: true,
    isEnabled: true,
    isRunning: true,
    pid: 812,
    detail: "running",
  });
});

test("stop() says which job does not end", async () => {
  const mac = new Mac();
  await mac.service.install(SIGNAL);
  mac.lingerCount = 1_000;
  expect(await rejection(mac.service.stop(SIGNAL))).toMatchObject({
    code: "linkSilent",
    message: `Cannot stop the service: ${AGENT} does not end`,
  });
  expect(mac.machine.sleptMs).toBe(15_000);
});

test("uninstall() leaves configuration, state and logs, and purges them", async () => {
  const { loaded, machine, service } = new Mac();
  await service.install(SIGNAL);
  await service.uninstall(false, SIGNAL);
  expect(loaded.size).toBe(0);
  expect([...machine.tree.keys()]).toEqual([
    "/etc/migasfree-agent/",
    "/var/lib/migasfree-agent/",
    "/var/log/migasfree-agent/",
  ]);
  expect((await service.uninstall(true, SIGNAL))[0]).toBe(
    "Not installed: nothing to remove",
  );
  expect([...machine.tree.keys()]).toEqual([]);
  expect(machine.ran.slice(-2)).toEqual([
    "dscl . -delete /Users/_migasfree-agent",
    "dscl . -delete /Groups/_migasfree-agent",
  ]);
});

test("start() and stop() want a service, and root", async () => {
  const { machine, service } = new Mac();
  for (const verb of ["start", "stop"] as const) {
    machine.isPrivileged = true;
    const missing = await rejection(service[verb](SIGNAL));
    expect(missing).toMatchObject({ code: "programMissing" });
    machine.isPrivileged = false;
    const refused = await rejection(service[verb](SIGNAL));
    expect(refused).toMatchObject({ code: "configInvalid" });
  }
  expect(machine.ran).toEqual([]);
});
