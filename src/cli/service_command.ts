import { bunClock } from "../runtime/bun_clock.ts";
import { LaunchdService } from "../runtime/launchd_service.ts";
import { runCommand } from "../runtime/run_command.ts";
import type {
  ServiceControl,
  ServiceMachine,
  ServiceReport,
  ServiceState,
} from "../runtime/service_control.ts";
import { serviceFiles } from "../runtime/service_files.ts";
import { SystemdService } from "../runtime/systemd_service.ts";
import { WindowsService } from "../runtime/windows_service.ts";
import { Fault, FAULTS } from "../protocol/fault.ts";
import type { Options } from "./options.ts";
import type { Output } from "./output.ts";
import { table } from "./table.ts";
import { systemdUnits } from "./units.ts";

/** Longest that a whole command may take. Ours to choose. */
const COMMAND_TIMEOUT_MS = 180_000;
/** systemd's start waits until the agent is ready; the unit says for how long. */
const STEP_TIMEOUT_MS = 90_000;

/** What `service` can be told to do. */
export type ServiceVerb = "install" | "uninstall" | "start" | "stop" | "status";

/**
 * `service VERB`: the agent as a service of this computer.
 *
 * @param control Default: the service manager of this computer.
 */
export async function runService(
  verb: ServiceVerb,
  options: Options,
  output: Output,
  control: ServiceControl = controlOf(process.platform),
): Promise<number> {
  const signal = AbortSignal.timeout(COMMAND_TIMEOUT_MS);
  if (verb === "status") {
    const state = await control.state(signal);
    showState(state, options, output);
    return state.isRunning ? 0 : FAULTS.programMissing.exitCode;
  }
  const report = await act(control, verb, options, signal);
  for (const line of report) output.say(line);
  return 0;
}

async function act(
  control: ServiceControl,
  verb: Exclude<ServiceVerb, "status">,
  options: Options,
  signal: AbortSignal,
): Promise<ServiceReport> {
  switch (verb) {
    case "install":
      return await control.install(signal);
    case "uninstall":
      return await control.uninstall(options["purge"] === true, signal);
    case "start":
      return await control.start(signal);
    case "stop":
      return await control.stop(signal);
    default:
      return verb satisfies never;
  }
}

function showState(state: ServiceState, options: Options, output: Output) {
  if (options["json"]) {
    output.answer(JSON.stringify({
      system: state.system,
      installed: state.isInstalled,
      enabled: state.isEnabled,
      running: state.isRunning,
      pid: state.pid ?? null,
      state: state.detail,
    }));
    return;
  }
  const rows = [
    ["service", state.isInstalled ? `of ${state.system}` : "not installed"],
    ["state", state.detail],
    ["at boot", state.isEnabled ? "is started" : "is not started"],
    ["process", state.pid === undefined ? "none" : String(state.pid)],
  ];
  for (const line of table(rows)) output.answer(line);
}

/** @throws {Fault} `programMissing` if the system has none that we know. */
function controlOf(platform: NodeJS.Platform): ServiceControl {
  switch (platform) {
    case "linux":
      return new SystemdService(machine(), systemdUnits());
    case "darwin":
      return new LaunchdService(machine());
    case "win32":
      return new WindowsService(machine(), {
        systemRoot: process.env["SystemRoot"] ?? "C:\\Windows",
        programData: process.env["PROGRAMDATA"] ?? "C:\\ProgramData",
      });
    default:
      throw new Fault(
        "programMissing",
        `Cannot manage services of ${platform}: it is not known`,
        { hint: "Start `migasfree-agent run` by what starts services there" },
      );
  }
}

function machine(): ServiceMachine {
  const uid = process.getuid?.();
  return {
    programPath: process.execPath,
    isPrivileged: uid === undefined ? undefined : uid === 0,
    run: (argv, signal) => runCommand(argv, STEP_TIMEOUT_MS, signal),
    sleep: (ms, signal) => bunClock.sleep(ms, signal),
    files: serviceFiles,
  };
}
