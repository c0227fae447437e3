import { expect, test } from "bun:test";
import { unitTexts } from "../../scripts/unit_texts.ts";
import { SystemdService } from "../../src/runtime/systemd_service.ts";
import {
  type FakeAnswer,
  FakeServiceMachine,
} from "../support/fake_service_machine.ts";
import { rejection } from "../support/rejection.ts";

const UNITS = new Map(Object.entries(await unitTexts()));
const AGENT = "migasfree-agent.service";
const UNIT_PATH = `/etc/systemd/system/${AGENT}`;
const SYSUSERS = "systemd-sysusers --inline " +
  'u migasfree-agent   - "migasfree agent"   /var/lib/migasfree-agent';
const SIGNAL = AbortSignal.timeout(60_000);
const RUNNING = "UnitFileState=enabled\nActiveState=active\n" +
  "SubState=running\nMainPID=4711\n";

/** A Debian, with systemd as process 1 unless `isBooted` says otherwise. */
function debian(
  { answers = {}, isBooted = true, program = "/usr/bin/migasfree-agent" }: {
    answers?: Record<string, FakeAnswer>;
    isBooted?: boolean;
    program?: string;
  } = {},
) {
  const machine = new FakeServiceMachine(program, (line) => {
    if (line.startsWith("systemctl show")) return answers["show"] ?? RUNNING;
    return answers[line];
  });
  if (isBooted) machine.tree.set("/run/systemd/system/", "755");
  return { machine, service: new SystemdService(machine, UNITS) };
}

test("install() writes the units of systemd/ as they are, and starts the agent", async () => {
  const { machine, service } = debian();
  expect(await service.install(SIGNAL)).toEqual([
    "Wrote 7 files, as units to /etc/systemd/system",
    "It runs: active (running)",
  ]);
  const written = [...machine.tree.keys()].filter((path) =>
    path.startsWith("/etc/systemd/system/")
  );
  expect(written.length).toBe(6);
  for (const path of written) {
    expect(machine.tree.get(path)).toBe(
      UNITS.get(path.split("/").at(-1) ?? ""),
    );
  }
  expect(written).toContain(UNIT_PATH);
  expect(machine.takeRan()).toEqual([
    SYSUSERS,
    "systemd-tmpfiles --create /etc/tmpfiles.d/migasfree-agent.conf",
    "systemctl daemon-reload",
    `systemctl --quiet enable ${AGENT}`,
    `systemctl restart ${AGENT}`,
    `systemctl show --property=UnitFileState,ActiveState,SubState,MainPID ${AGENT}`,
  ]);
});

test("install() a second time writes nothing and restarts nothing", async () => {
  const { machine, service } = debian();
  await service.install(SIGNAL);
  machine.takeRan();
  expect(await service.install(SIGNAL)).toEqual([
    "The units are there already",
    "It runs: active (running)",
  ]);
  const ran = machine.takeRan();
  expect(ran).toContain(`systemctl start ${AGENT}`);
  expect(ran).not.toContain(`systemctl restart ${AGENT}`);
});

test("install() has the units run this program, wherever it is", async () => {
  const program = "/opt/migasfree/bin/migasfree-agent";
  const { machine, service } = debian({ program });
  await service.install(SIGNAL);
  const unit = machine.tree.get(UNIT_PATH) ?? "";
  expect(unit).toContain(`\nExecStart=${program} run --identity `);
  expect(unit).not.toContain("/usr/bin/migasfree-agent");
});

test("install() refuses a program that the unit could not run, or others may change", async () => {
  for (const program of ["/home/ana/migasfree-agent", "/tmp/migasfree-agent"]) {
    const { machine, service } = debian({ program });
    expect(await rejection(service.install(SIGNAL))).toMatchObject({
      code: "configInvalid",
      message: `Cannot install the service: it could not run ${program}`,
    });
    expect(machine.ran).toEqual([]);
  }
  const { machine, service } = debian();
  machine.foreign.add(machine.programPath);
  expect(String(await rejection(service.install(SIGNAL)))).toContain("foreign");
  expect(machine.tree.has(UNIT_PATH)).toBe(false);
});

test("install() lets the agent's group read a configuration that is root's", async () => {
  const { machine, service } = debian();
  machine.tree.set("/etc/migasfree-agent/agent.toml", "device_id = 7");
  await service.install(SIGNAL);
  expect(machine.ran.slice(0, 3)).toEqual([
    SYSUSERS,
    "chown root:migasfree-agent /etc/migasfree-agent/agent.toml",
    "chmod 0640 /etc/migasfree-agent/agent.toml",
  ]);
});

test("install() without a running systemd enables, and starts nothing", async () => {
  const { machine, service } = debian({ isBooted: false });
  expect((await service.install(SIGNAL)).at(-1)).toBe(
    "Enabled for the next boot, not started: systemd does not run here",
  );
  expect(machine.takeRan()).toEqual([
    SYSUSERS,
    `systemctl --quiet enable ${AGENT}`,
  ]);
  expect(await service.state(SIGNAL)).toEqual({
    system: "systemd",
    isInstalled: true,
    isEnabled: true,
    isRunning: false,
    pid: undefined,
    detail: "systemd does not run",
  });
});

test("install() keeps what a package has put there, and uninstall() refuses it", async () => {
  const { machine, service } = debian();
  machine.tree.set(`/usr/lib/systemd/system/${AGENT}`, "packaged");
  const before = new Map(machine.tree);
  await service.install(SIGNAL);
  expect(machine.tree).toEqual(before);
  expect(await rejection(service.uninstall(false, SIGNAL))).toMatchObject({
    code: "configInvalid",
    message:
      "Cannot uninstall the service: a package or install.sh has installed it",
  });
});

test("install() says what a step that failed has said", async () => {
  const line = `systemctl restart ${AGENT}`;
  const stderr = "Job for it failed.\nSee journalctl.\n";
  const { service } = debian({ answers: { [line]: { exitCode: 1, stderr } } });
  expect(await rejection(service.install(SIGNAL))).toMatchObject({
    code: "configInvalid",
    message: "Cannot install the service: systemctl: " +
      "Job for it failed. See journalctl.",
    hint: `Run \`${line}\` yourself, and look at what it says`,
  });
});

test("uninstall() leaves no file of ours, and keeps configuration and state", async () => {
  const { machine, service } = debian();
  const kept: [string, string][] = [
    ["/run/systemd/system/", "755"],
    ["/etc/migasfree-agent/", "755"],
    ["/etc/migasfree-agent/agent.toml", "device_id = 7"],
    ["/var/lib/migasfree-agent/", "750"],
  ];
  for (const [path, text] of kept) machine.tree.set(path, text);
  await service.install(SIGNAL);
  machine.tree.set("/run/migasfree-agent-identity/", "2750");
  machine.takeRan();
  await service.uninstall(false, SIGNAL);
  expect([...machine.tree]).toEqual(kept);
  expect(machine.takeRan()).toEqual([
    `systemctl stop ${AGENT} migasfree-agent-identity.path ` +
    "migasfree-agent-identity.timer migasfree-agent-exec.socket " +
    "migasfree-agent-identity.service migasfree-agent-exec@*.service",
    `systemctl --quiet disable ${AGENT}`,
    "systemctl daemon-reload",
    `systemctl reset-failed ${AGENT} migasfree-agent-identity.path ` +
    "migasfree-agent-identity.timer migasfree-agent-exec.socket",
  ]);
  expect(await service.uninstall(false, SIGNAL)).toEqual([
    "Not installed: nothing to remove",
    "Kept /etc/migasfree-agent and /var/lib/migasfree-agent",
  ]);
});

test("uninstall() purges all, but a gateway's configuration", async () => {
  for (const hasGateway of [false, true]) {
    const { machine, service } = debian();
    await service.install(SIGNAL);
    const dir = "/etc/migasfree-agent";
    machine.tree.set(`${dir}/agent.toml`, "device_id = 7");
    if (hasGateway) machine.tree.set(`${dir}/gateway.toml`, "listen = 1");
    machine.tree.set("/var/lib/migasfree-agent/", "750");
    await service.uninstall(true, SIGNAL);
    expect([...machine.tree.keys()]).toEqual([
      "/run/systemd/system/",
      ...hasGateway ? [`${dir}/`, `${dir}/gateway.toml`] : [],
    ]);
    expect(machine.ran.slice(-2)).toEqual([
      "userdel migasfree-agent",
      "groupdel migasfree-agent",
    ]);
  }
});

test("start() and stop() want a service, and root", async () => {
  const { machine, service } = debian();
  for (const verb of ["start", "stop"] as const) {
    machine.isPrivileged = true;
    expect(await rejection(service[verb](SIGNAL))).toMatchObject({
      code: "programMissing",
      message: `Cannot ${verb} the service: it is not installed`,
    });
    machine.isPrivileged = false;
    expect(await rejection(service[verb](SIGNAL))).toMatchObject({
      code: "configInvalid",
      message: `Cannot ${verb} the service: this user is not root`,
    });
  }
  expect(machine.ran).toEqual([]);
});

test("state() reads what systemd says", async () => {
  const show = "UnitFileState=disabled\nActiveState=failed\n" +
    "SubState=failed\nMainPID=0\n";
  const { machine, service } = debian({ answers: { show } });
  machine.isPrivileged = false;
  machine.tree.set(UNIT_PATH, "");
  expect(await service.state(SIGNAL)).toEqual({
    system: "systemd",
    isInstalled: true,
    isEnabled: false,
    isRunning: false,
    pid: undefined,
    detail: "failed (failed)",
  });
});
