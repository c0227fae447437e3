import { Fault } from "../protocol/fault.ts";
import {
  notInstalled,
  requirePrivilege,
  runStep,
  type ServiceControl,
  type ServiceMachine,
  type ServiceReport,
  type ServiceState,
  shareConfig,
} from "./service_control.ts";

const AGENT = "migasfree-agent.service";
const USER = "migasfree-agent";

/** Who starts and stops with the agent. */
const OWN_UNITS = [
  "migasfree-agent-identity.path",
  "migasfree-agent-identity.timer",
  "migasfree-agent-exec.socket",
];
const PASSING_UNITS = [
  "migasfree-agent-identity.service",
  "migasfree-agent-exec@*.service",
];

/** Where the administrator's units are, and where packages put theirs. */
const UNIT_DIR = "/etc/systemd/system";
const PACKAGE_DIRS = ["/usr/lib/systemd/system", "/lib/systemd/system"];
const TMPFILES_FILE = "/etc/tmpfiles.d/migasfree-agent.conf";
/** What the units say; another place is put in instead of it. */
const PROGRAM_PATH = "/usr/bin/migasfree-agent";

/** systemd is process 1 here; in a container or a chroot it is not. */
const RUNNING_MARK = "/run/systemd/system";
const HANDED_DIR = "/run/migasfree-agent-identity";
const CONFIG_DIR = "/etc/migasfree-agent";
const CONFIG_FILE = `${CONFIG_DIR}/agent.toml`;
const STATE_DIR = "/var/lib/migasfree-agent";
const DEFAULTS_FILE = "/etc/default/migasfree-agent";
const FILE_MODE = 0o644;

/** Hidden from the agent by its own unit, or anybody's to write. */
const HIDDEN_DIRS = /^\/(home|root|run|tmp|var\/tmp)\//;

/** The agent under systemd, by the units of `systemd/`. */
export class SystemdService implements ServiceControl {
  readonly #machine: ServiceMachine;
  readonly #units: ReadonlyMap<string, string>;

  /** @param units The files of `systemd/`: names and contents. */
  constructor(machine: ServiceMachine, units: ReadonlyMap<string, string>) {
    this.#machine = machine;
    this.#units = units;
  }

  async install(signal: AbortSignal): Promise<ServiceReport> {
    const action = "install the service";
    requirePrivilege(this.#machine, action);
    const isPackaged = await this.#isPackaged();
    const report = isPackaged
      ? ["A package or install.sh has put the units there: they are kept"]
      : await this.#writeUnits(signal);
    const isRunning = await this.#runs();
    if (isRunning) await this.#step(action, signal, "daemon-reload");
    await this.#step(action, signal, "--quiet", "enable", AGENT);
    if (!isRunning) {
      const why = "systemd does not run here";
      return [...report, `Enabled for the next boot, not started: ${why}`];
    }
    const verb = report.some((line) => line.startsWith("Wrote"))
      ? "restart"
      : "start";
    await this.#step(action, signal, verb, AGENT);
    return [...report, ...await this.#outcome(signal)];
  }

  async uninstall(
    purges: boolean,
    signal: AbortSignal,
  ): Promise<ServiceReport> {
    const action = "uninstall the service";
    requirePrivilege(this.#machine, action);
    if (await this.#isPackaged()) throw packaged();
    const isInstalled = await this.#isInstalled();
    const isRunning = await this.#runs();
    if (isInstalled) {
      const units = [AGENT, ...OWN_UNITS, ...PASSING_UNITS];
      if (isRunning) await this.#step(action, signal, "stop", ...units);
      await this.#step(action, signal, "--quiet", "disable", AGENT);
    }
    const removed = await this.#removeAll(this.#ownFiles().keys());
    if (isRunning && isInstalled) {
      await this.#step(action, signal, "daemon-reload");
      // It fails for a unit that never failed, which is all the same.
      const failed = ["reset-failed", AGENT, ...OWN_UNITS];
      await this.#machine.run(["systemctl", ...failed], signal);
    }
    const report = isInstalled || removed > 0
      ? [`Removed the service and its ${removed} files`]
      : ["Not installed: nothing to remove"];
    if (!purges) return [...report, `Kept ${CONFIG_DIR} and ${STATE_DIR}`];
    return [...report, ...await this.#purge(signal)];
  }

  async start(signal: AbortSignal): Promise<ServiceReport> {
    requirePrivilege(this.#machine, "start the service");
    await this.#requireInstalled("start");
    await this.#step("start the service", signal, "start", AGENT);
    return await this.#outcome(signal);
  }

  async stop(signal: AbortSignal): Promise<ServiceReport> {
    requirePrivilege(this.#machine, "stop the service");
    await this.#requireInstalled("stop");
    await this.#step("stop the service", signal, "stop", AGENT);
    return ["Stopped, until the next boot"];
  }

  async state(signal: AbortSignal): Promise<ServiceState> {
    const system = "systemd";
    const isInstalled = await this.#isInstalled() || await this.#isPackaged();
    if (!isInstalled || !await this.#runs()) {
      const detail = isInstalled ? "systemd does not run" : "not installed";
      const isEnabled = isInstalled && await this.#isEnabled(signal);
      return {
        system,
        isInstalled,
        isEnabled,
        isRunning: false,
        pid: undefined,
        detail,
      };
    }
    const shown = await this.#step(
      "look at the service",
      signal,
      "show",
      "--property=UnitFileState,ActiveState,SubState,MainPID",
      AGENT,
    );
    const said = new Map(
      shown.split("\n").map((line) => {
        const at = line.indexOf("=");
        return [line.slice(0, at), line.slice(at + 1)] as const;
      }),
    );
    const active = said.get("ActiveState") ?? "unknown";
    const pid = Number(said.get("MainPID") ?? 0);
    return {
      system,
      isInstalled,
      isEnabled: said.get("UnitFileState") === "enabled",
      isRunning: active === "active" || active === "reloading",
      pid: pid > 0 ? pid : undefined,
      detail: `${active} (${said.get("SubState") ?? "unknown"})`,
    };
  }

  /** Path and text of everything that `install` writes. */
  #ownFiles(): Map<string, string> {
    const files = new Map<string, string>();
    for (const [name, text] of this.#units) {
      if (name.includes("gateway")) continue;
      if (name.endsWith(".sysusers")) continue;
      if (name.endsWith(".tmpfiles")) files.set(TMPFILES_FILE, text);
      else {
        const { programPath } = this.#machine;
        const own = text.replaceAll(PROGRAM_PATH, () => programPath);
        files.set(`${UNIT_DIR}/${name}`, own);
      }
    }
    return files;
  }

  /** Lines of sysusers.d(5): the agent's user, not the gateway's. */
  #users(): string[] {
    return [...this.#units].filter(([name]) => name.endsWith(".sysusers"))
      .flatMap(([, text]) => text.split("\n"))
      .filter((line) => line.startsWith(`u ${USER} `));
  }

  async #writeUnits(signal: AbortSignal): Promise<string[]> {
    const { files, programPath } = this.#machine;
    if (HIDDEN_DIRS.test(programPath) || /[\s"'\\$%]/.test(programPath)) {
      throw misplaced(programPath);
    }
    files.requireOwn(programPath);
    let written = 0;
    for (const [path, text] of this.#ownFiles()) {
      if (await files.write(path, text, FILE_MODE)) written += 1;
    }
    await files.makeDirectory(CONFIG_DIR, 0o755);
    const action = "make the service's user";
    const sysusers = ["systemd-sysusers", "--inline", ...this.#users()];
    await runStep(this.#machine, action, sysusers, signal);
    await shareConfig(this.#machine, CONFIG_FILE, USER, signal);
    if (await this.#runs()) {
      const argv = ["systemd-tmpfiles", "--create", TMPFILES_FILE];
      await runStep(this.#machine, "make its directory", argv, signal);
    }
    return written === 0
      ? ["The units are there already"]
      : [`Wrote ${written} files, as units to ${UNIT_DIR}`];
  }

  async #purge(signal: AbortSignal): Promise<ServiceReport> {
    const { files } = this.#machine;
    // The gateway's configuration is not ours, and lives in the same place.
    const isShared = await files.exists(`${CONFIG_DIR}/gateway.toml`);
    await this.#removeAll([
      isShared ? CONFIG_FILE : CONFIG_DIR,
      STATE_DIR,
      DEFAULTS_FILE,
      `${UNIT_DIR}/${AGENT}.d`,
    ]);
    // Both fail for a user who is not there, which is what is wanted.
    await this.#machine.run(["userdel", USER], signal);
    await this.#machine.run(["groupdel", USER], signal);
    return [
      isShared
        ? `Removed state and user; kept ${CONFIG_DIR}: a gateway uses it too`
        : "Removed configuration, state and user",
    ];
  }

  async #removeAll(paths: Iterable<string>): Promise<number> {
    let removed = 0;
    for (const path of paths) {
      if (await this.#machine.files.remove(path)) removed += 1;
    }
    if (await this.#runs()) await this.#machine.files.remove(HANDED_DIR);
    return removed;
  }

  async #outcome(signal: AbortSignal): Promise<ServiceReport> {
    const { detail, isRunning } = await this.state(signal);
    return isRunning ? [`It runs: ${detail}`] : [
      `It does not run: ${detail}. Not configured yet? Write ` +
      `${CONFIG_FILE}, then: migasfree-agent service start`,
    ];
  }

  async #step(
    action: string,
    signal: AbortSignal,
    ...args: string[]
  ): Promise<string> {
    return await runStep(
      this.#machine,
      action,
      ["systemctl", ...args],
      signal,
    );
  }

  async #requireInstalled(action: string): Promise<void> {
    if (await this.#isInstalled() || await this.#isPackaged()) return;
    throw notInstalled(action);
  }

  async #isInstalled(): Promise<boolean> {
    return await this.#machine.files.exists(`${UNIT_DIR}/${AGENT}`);
  }

  async #isPackaged(): Promise<boolean> {
    for (const dir of PACKAGE_DIRS) {
      if (await this.#machine.files.exists(`${dir}/${AGENT}`)) return true;
    }
    return false;
  }

  async #isEnabled(signal: AbortSignal): Promise<boolean> {
    const argv = ["systemctl", "--quiet", "is-enabled", AGENT];
    return (await this.#machine.run(argv, signal)).exitCode === 0;
  }

  async #runs(): Promise<boolean> {
    return await this.#machine.files.exists(RUNNING_MARK);
  }
}

function packaged(): Fault {
  return new Fault(
    "configInvalid",
    "Cannot uninstall the service: a package or install.sh has installed it",
    {
      hint: "Run `apt-get remove migasfree-agent`, " +
        "`dnf remove migasfree-agent` or `install.sh --uninstall`",
    },
  );
}

function misplaced(programPath: string): Fault {
  return new Fault(
    "configInvalid",
    `Cannot install the service: it could not run ${programPath}`,
    { hint: `Copy the program to ${PROGRAM_PATH}, and run it from there` },
  );
}
