import { Fault } from "../protocol/fault.ts";
import { LAUNCHD_PLACES, LAUNCHD_USER, launchdJobs } from "./launchd_jobs.ts";
import { ensureLaunchdUser, removeLaunchdUser } from "./launchd_user.ts";
import { plistText } from "./plist_text.ts";
import {
  notInstalled,
  requirePrivilege,
  runStep,
  type ServiceControl,
  type ServiceMachine,
  type ServiceReport,
  type ServiceState,
  shareConfig,
  stepFault,
} from "./service_control.ts";

const JOB_DIR = "/Library/LaunchDaemons";
const AGENT = "org.migasfree.agent";
const FILE_MODE = 0o644;

/** `launchctl print` of a job that launchd does not know. */
const EXIT_UNKNOWN_JOB = 113;
/** `launchctl bootout` of a job that takes its time to end. */
const EXIT_IN_PROGRESS = 36;

/** Longer than ExitTimeOut of the job. */
const END_POLL_MAX_COUNT = 60;
const POLL_MS = 250;

/** The agent under launchd, as jobs of the whole computer. */
export class LaunchdService implements ServiceControl {
  readonly #machine: ServiceMachine;

  constructor(machine: ServiceMachine) {
    this.#machine = machine;
  }

  async install(signal: AbortSignal): Promise<ServiceReport> {
    requirePrivilege(this.#machine, "install the service");
    const { files, programPath } = this.#machine;
    files.requireOwn(programPath);
    // Every user has these; a daemon of another user cannot read there.
    if (/^\/(Users|private\/tmp|tmp|Volumes)\//.test(programPath)) {
      throw misplaced(programPath);
    }
    await ensureLaunchdUser(this.#machine, signal);
    await this.#makeDirectories(signal);
    let written = 0;
    for (const [path, text] of this.#ownFiles()) {
      if (await files.write(path, text, FILE_MODE)) written += 1;
    }
    // launchd keeps what it has read: a job that is loaded is loaded anew.
    if (written > 0) await this.#unloadAll(signal);
    await this.#loadAll(signal);
    const fact = written === 0
      ? "The jobs are there already"
      : `Wrote ${written} files to ${JOB_DIR}`;
    return [fact, ...await this.#outcome(signal)];
  }

  async uninstall(
    purges: boolean,
    signal: AbortSignal,
  ): Promise<ServiceReport> {
    requirePrivilege(this.#machine, "uninstall the service");
    const { files } = this.#machine;
    await this.#unloadAll(signal);
    let removed = 0;
    for (const path of this.#ownFiles().keys()) {
      if (await files.remove(path)) removed += 1;
    }
    await files.remove(LAUNCHD_PLACES.handed);
    const report = removed > 0
      ? [`Removed the service and its ${removed} files`]
      : ["Not installed: nothing to remove"];
    const { config, logs, state } = LAUNCHD_PLACES;
    if (!purges) return [...report, `Kept ${config}, ${state} and ${logs}`];
    for (const path of [config, state, logs]) await files.remove(path);
    await removeLaunchdUser(this.#machine, signal);
    return [...report, "Removed configuration, state, logs and user"];
  }

  async start(signal: AbortSignal): Promise<ServiceReport> {
    requirePrivilege(this.#machine, "start the service");
    await this.#requireInstalled("start");
    await this.#loadAll(signal);
    const argv = ["launchctl", "kickstart", `system/${AGENT}`];
    await runStep(this.#machine, "start the service", argv, signal);
    return await this.#outcome(signal);
  }

  async stop(signal: AbortSignal): Promise<ServiceReport> {
    requirePrivilege(this.#machine, "stop the service");
    await this.#requireInstalled("stop");
    // KeepAlive would start it anew: launchd has to forget it.
    await this.#unloadAll(signal);
    return ["Stopped, until the next boot"];
  }

  async state(signal: AbortSignal): Promise<ServiceState> {
    const system = "launchd";
    const isInstalled = await this.#isInstalled();
    const printed = await this.#print(AGENT, signal);
    if (printed === undefined) {
      const detail = isInstalled ? "not loaded" : "not installed";
      const isRunning = false;
      return {
        system,
        isInstalled,
        isEnabled: isInstalled,
        isRunning,
        pid: undefined,
        detail,
      };
    }
    const pid = Number(printed.match(/^\s*pid = (\d+)$/m)?.[1] ?? 0);
    const detail = printed.match(/^\s*state = (.+)$/m)?.[1] ?? "unknown";
    return {
      system,
      isInstalled,
      isEnabled: isInstalled,
      isRunning: detail === "running",
      pid: pid > 0 ? pid : undefined,
      detail,
    };
  }

  #ownFiles(): Map<string, string> {
    const jobs = launchdJobs(this.#machine.programPath);
    return new Map(jobs.map(({ label, plist }) => [
      `${JOB_DIR}/${label}.plist`,
      plistText(plist),
    ]));
  }

  async #makeDirectories(signal: AbortSignal): Promise<void> {
    const { files } = this.#machine;
    const { config, handed, logs, state } = LAUNCHD_PLACES;
    await files.makeDirectory(config, 0o755);
    const file = `${config}/agent.toml`;
    await shareConfig(this.#machine, file, LAUNCHD_USER, signal);
    for (const dir of [state, logs]) {
      await files.makeDirectory(dir, 0o750);
      await this.#own(`${LAUNCHD_USER}:${LAUNCHD_USER}`, dir, signal);
    }
    // Here a new file belongs to the group of its directory, as on every BSD.
    await files.makeDirectory(handed, 0o750);
    await this.#own(`root:${LAUNCHD_USER}`, handed, signal);
  }

  async #own(owner: string, dir: string, signal: AbortSignal): Promise<void> {
    const argv = ["/usr/sbin/chown", owner, dir];
    await runStep(this.#machine, "make a directory", argv, signal);
  }

  async #loadAll(signal: AbortSignal): Promise<void> {
    for (const { label } of launchdJobs(this.#machine.programPath)) {
      if (await this.#print(label, signal) !== undefined) continue;
      const path = `${JOB_DIR}/${label}.plist`;
      const action = "load the service";
      const enable = ["launchctl", "enable", `system/${label}`];
      await runStep(this.#machine, action, enable, signal);
      const load = ["launchctl", "bootstrap", "system", path];
      await runStep(this.#machine, action, load, signal);
    }
  }

  /** The agent first: the other one works for it. */
  async #unloadAll(signal: AbortSignal): Promise<void> {
    const jobs = launchdJobs(this.#machine.programPath).toReversed();
    for (const { label } of jobs) {
      if (await this.#print(label, signal) === undefined) continue;
      const argv = ["launchctl", "bootout", `system/${label}`];
      const result = await this.#machine.run(argv, signal);
      if (![0, EXIT_IN_PROGRESS].includes(result.exitCode)) {
        throw stepFault("stop the service", argv, result);
      }
      await this.#awaitEnd(label, signal);
    }
  }

  /** launchd answers before a job that it ends has ended. */
  async #awaitEnd(label: string, signal: AbortSignal): Promise<void> {
    for (let count = 0; count < END_POLL_MAX_COUNT; count++) {
      if (await this.#print(label, signal) === undefined) return;
      await this.#machine.sleep(POLL_MS, signal);
    }
    throw new Fault(
      "linkSilent",
      `Cannot stop the service: ${label} does not end`,
      { hint: `Run \`launchctl print system/${label}\`, and look at why` },
    );
  }

  /** Undefined if launchd has not loaded the job. */
  async #print(
    label: string,
    signal: AbortSignal,
  ): Promise<string | undefined> {
    const argv = ["launchctl", "print", `system/${label}`];
    const result = await this.#machine.run(argv, signal);
    if (result.exitCode === 0) return result.stdout;
    if (result.exitCode === EXIT_UNKNOWN_JOB) return undefined;
    throw stepFault("look at the service", argv, result);
  }

  async #outcome(signal: AbortSignal): Promise<ServiceReport> {
    const { detail, isRunning } = await this.state(signal);
    return [isRunning ? `It runs: ${detail}` : `It does not run: ${detail}`];
  }

  async #requireInstalled(action: string): Promise<void> {
    if (!await this.#isInstalled()) throw notInstalled(action);
  }

  async #isInstalled(): Promise<boolean> {
    return await this.#machine.files.exists(`${JOB_DIR}/${AGENT}.plist`);
  }
}

function misplaced(programPath: string): Fault {
  return new Fault(
    "configInvalid",
    `Cannot install the service: it could not run ${programPath}`,
    { hint: "Copy the program to /usr/local/bin, and run it from there" },
  );
}
