import type { Command } from "commander";
import { Fault } from "../protocol/fault.ts";
import { bashCompletion } from "./completion_bash.ts";
import { completionTree } from "./completion_tree.ts";
import { fishCompletion } from "./completion_fish.ts";
import { zshCompletion } from "./completion_zsh.ts";

const SHELLS = {
  bash: bashCompletion,
  zsh: zshCompletion,
  fish: fishCompletion,
};

/**
 * Returns a script that teaches a shell the commands, flags and values of
 * `program`. Devices are asked for when somebody presses TAB.
 *
 * @throws {Fault} `usageInvalid` if it is a shell that we do not know.
 */
export function completionScript(program: Command, shell: string): string {
  if (!isKnown(shell)) {
    throw new Fault("usageInvalid", `Cannot complete for "${shell}"`, {
      hint: "Give bash, zsh or fish",
    });
  }
  return SHELLS[shell](program.name(), completionTree(program));
}

function isKnown(shell: string): shell is keyof typeof SHELLS {
  return Object.hasOwn(SHELLS, shell);
}
