import { win32 } from "node:path";
import { Fault } from "../protocol/fault.ts";
import {
  notInstalled,
  runStep,
  type ServiceControl,
  type ServiceMachine,
  type ServiceReport,
  type ServiceState,
  stepFault,
} from "./service_control.ts";

const NAME = "migasfree-agent";
/** A virtual account: no password, no logon, the rights of a user. */
const ACCOUNT = `NT SERVICE\\${NAME}`;
const HOST_NAME = "migasfree-agent-service.exe";

// The host says the system's error codes: <winerror.h>.
const ACCESS_DENIED = 5;
const SERVICE_ALREADY_RUNNING = 1056;
const SERVICE_DOES_NOT_EXIST = 1060;
const SERVICE_CANNOT_ACCEPT_CTRL = 1061;
const SERVICE_NOT_ACTIVE = 1062;
const SERVICE_MARKED_FOR_DELETE = 1072;

/** `dwCurrentState` of SERVICE_STATUS_PROCESS, in words. */
const STATES: ReadonlyMap<number, string> = new Map([
  [1, "stopped"],
  [2, "starting"],
  [3, "stopping"],
  [4, "running"],
  [5, "continuing"],
  [6, "pausing"],
  [7, "paused"],
]);

const ERROR_LINE = /^error (\d+)\s*$/m;

/** What the host has answered. */
interface Answer {
  /** Of the system; 0: none. */
  readonly error: number;
  readonly text: string;
}

/** Well-known groups: their names are in the language of the system. */
const SYSTEM_SID = "*S-1-5-18";
const ADMINISTRATORS_SID = "*S-1-5-32-544";

const POLL_MS = 250;
const STOP_POLL_MAX_COUNT = 40;
const START_POLL_MAX_COUNT = 120;
const DIRECTORY_MODE = 0o700;

/** Directories of a Windows computer. */
export interface WindowsPlaces {
  /** `%SystemRoot%`. */
  readonly systemRoot: string;
  /** `%ProgramData%`. */
  readonly programData: string;
}

/**
 * The agent under Windows' service manager, by the service host that lies
 * beside this program: `windows/service_setup.c`.
 */
export class WindowsService implements ServiceControl {
  readonly #machine: ServiceMachine;
  readonly #places: WindowsPlaces;
  readonly #host: string;

  constructor(machine: ServiceMachine, places: WindowsPlaces) {
    this.#machine = machine;
    this.#places = places;
    this.#host = win32.join(win32.dirname(machine.programPath), HOST_NAME);
  }

  async install(signal: AbortSignal): Promise<ServiceReport> {
    const action = "install the service";
    const { isInstalled, isRunning } = await this.state(signal);
    const { text } = await this.#ask(action, [], signal, [
      "--install",
      this.#host,
      ...[this.#machine.programPath, "run", "--hosted", "--log-file"],
      win32.join(this.#dataDir, "log", "agent.log"),
    ]);
    await this.#protect(signal);
    // Another command line, or another program, counts from the next start.
    if (isRunning) await this.stop(signal);
    const fact = isInstalled
      ? "The service was there already: set up anew"
      : `Made the service ${NAME}, as ${ACCOUNT}`;
    const missing = text.split(/\r?\n/).filter((line) => line !== "");
    return [fact, ...missing, ...await this.start(signal)];
  }

  async uninstall(
    purges: boolean,
    signal: AbortSignal,
  ): Promise<ServiceReport> {
    const { isInstalled } = await this.state(signal);
    if (isInstalled) {
      await this.stop(signal);
      const coped = [SERVICE_DOES_NOT_EXIST, SERVICE_MARKED_FOR_DELETE];
      await this.#ask("uninstall the service", coped, signal, ["--delete"]);
    }
    const report = isInstalled
      ? ["Removed the service and its event source"]
      : ["Not installed: nothing to remove"];
    if (!purges) return [...report, `Kept ${this.#dataDir}`];
    await this.#machine.files.remove(this.#dataDir);
    return [...report, `Removed ${this.#dataDir}`];
  }

  async start(signal: AbortSignal): Promise<ServiceReport> {
    const coped = [SERVICE_DOES_NOT_EXIST, SERVICE_ALREADY_RUNNING];
    const words = ["--start"];
    const asked = await this.#ask("start the service", coped, signal, words);
    if (asked.error === SERVICE_DOES_NOT_EXIST) throw notInstalled("start");
    const state = await this.#waitFor("running", START_POLL_MAX_COUNT, signal);
    return state.isRunning ? [`It runs: process ${state.pid}`] : [
      `It does not run yet: ${state.detail}. See its log in ${this.#dataDir}`,
    ];
  }

  async stop(signal: AbortSignal): Promise<ServiceReport> {
    const coped = [
      SERVICE_DOES_NOT_EXIST,
      SERVICE_NOT_ACTIVE,
      // It is about to stop already.
      SERVICE_CANNOT_ACCEPT_CTRL,
    ];
    const words = ["--stop"];
    const asked = await this.#ask("stop the service", coped, signal, words);
    if (asked.error === SERVICE_DOES_NOT_EXIST) throw notInstalled("stop");
    const state = await this.#waitFor("stopped", STOP_POLL_MAX_COUNT, signal);
    if (state.detail === "stopped") return ["Stopped, until the next boot"];
    const seconds = STOP_POLL_MAX_COUNT * POLL_MS / 1_000;
    throw new Fault(
      "linkSilent",
      `Cannot stop the service: after ${seconds} s it is ${state.detail}`,
      { hint: `End ${HOST_NAME} in the Task Manager` },
    );
  }

  async state(signal: AbortSignal): Promise<ServiceState> {
    const asked = await this.#ask(
      "look at the service",
      [SERVICE_DOES_NOT_EXIST],
      signal,
      ["--query"],
    );
    const isInstalled = asked.error === 0;
    const [state, pid] = asked.text.trim().split(" ").map(Number);
    const detail = STATES.get(state ?? 0) ?? "unknown";
    return {
      system: "windows",
      isInstalled,
      isEnabled: isInstalled,
      isRunning: isInstalled && detail === "running",
      pid: isInstalled && pid ? pid : undefined,
      detail: isInstalled ? detail : "not installed",
    };
  }

  get #dataDir(): string {
    return win32.join(this.#places.programData, NAME);
  }

  /** The configuration may hold a password, the state a key. */
  async #protect(signal: AbortSignal): Promise<void> {
    const { files } = this.#machine;
    await files.makeDirectory(this.#dataDir, DIRECTORY_MODE);
    await runStep(this.#machine, "protect the configuration", [
      // By its path: a PATH may name another program first.
      win32.join(this.#places.systemRoot, "System32", "icacls.exe"),
      this.#dataDir,
      "/inheritance:r",
      "/grant:r",
      `${SYSTEM_SID}:(OI)(CI)F`,
      `${ADMINISTRATORS_SID}:(OI)(CI)F`,
      `${ACCOUNT}:(OI)(CI)M`,
    ], signal);
  }

  async #waitFor(
    wanted: string,
    countMax: number,
    signal: AbortSignal,
  ): Promise<ServiceState> {
    for (let count = 0;; count++) {
      const state = await this.state(signal);
      if (state.detail === wanted || count === countMax) return state;
      await this.#machine.sleep(POLL_MS, signal);
    }
  }

  /** @param coped Error codes that the caller can live with. */
  async #ask(
    action: string,
    coped: readonly number[],
    signal: AbortSignal,
    words: readonly string[],
  ): Promise<Answer> {
    if (!await this.#machine.files.exists(this.#host)) {
      throw hostMissing(action, this.#host);
    }
    const argv = [this.#host, ...words];
    const result = await this.#machine.run(argv, signal);
    const [line = "", digits] = result.stdout.match(ERROR_LINE) ?? [];
    // It always says a number, unless it did not come so far.
    if (digits === undefined) throw stepFault(action, argv, result);
    const error = Number(digits);
    const text = result.stdout.replace(line, "");
    if (error === 0 || coped.includes(error)) return { error, text };
    if (error !== ACCESS_DENIED) throw stepFault(action, argv, result);
    throw new Fault(
      "configInvalid",
      `Cannot ${action}: this user is no administrator`,
      { hint: 'Open a terminal by "Run as administrator", and say it there' },
    );
  }
}

function hostMissing(action: string, host: string): Fault {
  return new Fault("programMissing", `Cannot ${action}: there is no ${host}`, {
    hint: `Put ${HOST_NAME}, of the same release, beside this program`,
  });
}
