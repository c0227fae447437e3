import { Fault } from "../protocol/fault.ts";

/** One way to start one program. */
export interface ProgramCommand {
  /** As it is found in PATH, or an absolute path. */
  readonly program: string;
  readonly args: readonly string[];
  /**
   * It may hand its work to a process that runs already, and end at once: its
   * end does not mean that nobody looks any more.
   */
  readonly mayDetach?: boolean;
}

/** Programs that would do, the best first, and where they come from. */
export interface ProgramChoice {
  /** As a person calls it: "a VNC viewer". */
  readonly whatItIs: string;
  readonly commands: readonly ProgramCommand[];
  /** Where to get one, as one imperative sentence, if no row below fits. */
  readonly hint: string;
  /** Package manager => the command by which it installs one. */
  readonly installs?: Readonly<Record<string, string>>;
}

/**
 * Returns the first command whose program is installed.
 *
 * @throws {Fault} `programMissing`, with how to install one on this system.
 */
export function chooseProgram(
  choice: ProgramChoice,
  isInstalled: (program: string) => boolean,
): ProgramCommand {
  const { whatItIs, commands, installs = {} } = choice;
  const found = commands.find(({ program }) => isInstalled(program));
  if (found) return found;
  const [, install] = Object.entries(installs)
    .find(([manager]) => isInstalled(manager)) ?? [];
  const names = [...new Set(commands.map(({ program }) => program))];
  throw new Fault(
    "programMissing",
    `Cannot find ${whatItIs}: no ${names.join(", ")} is installed`,
    { hint: install ? `Install one: ${install}` : choice.hint },
  );
}
