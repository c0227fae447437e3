import type { CommanderError } from "commander";
import { Fault } from "../protocol/fault.ts";

/** Returns what commander says about a mistake as we say such things. */
export function usageSentence(text: string, name = "migasfree-agent"): string {
  return text.replace(/\n\(Did you mean (.*)\)/, ": did you mean $1")
    .replace(
      /^error: (.)/,
      (_all, first) => `${name}: ${first.toUpperCase()}`,
    );
}

/** Returns the fault that a mistake on the command line amounts to. */
export function usageFault(error: CommanderError): Fault | undefined {
  if (error.exitCode === 0) return undefined;
  const message = error.message.replace(/^error: /, "");
  return new Fault("usageInvalid", message, {
    hint: "See `migasfree-agent --help`, or `… COMMAND --help`",
    cause: error,
  });
}
