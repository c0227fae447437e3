import type { Argument, Command, Option } from "commander";

/** What can stand where a value is expected. */
export interface CompletionValue {
  readonly kind:
    | "anything"
    | "choices"
    | "device"
    | "directory"
    | "file"
    | "program";
  /** Of `choices`; else none. */
  readonly choices: readonly string[];
}

export interface CompletionOption {
  /** `-q`, `--quiet`. */
  readonly flags: readonly string[];
  readonly description: string;
  /** Undefined if it takes none, or not as a word of its own. */
  readonly value: CompletionValue | undefined;
}

/** One command, and what can follow it. */
export interface CompletionNode {
  /** Empty for the program itself; `/pki/init`. */
  readonly path: string;
  readonly commands: readonly CompletionCommand[];
  readonly options: readonly CompletionOption[];
  readonly operands: readonly CompletionValue[];
  /** The last operand may come again and again. */
  readonly isVariadic: boolean;
}

export interface CompletionCommand {
  readonly name: string;
  readonly description: string;
}

type Kinds = readonly (readonly [RegExp, CompletionValue["kind"]])[];

/** What can be expected of a value that has this name. */
const KINDS: Kinds = [
  [/device$/i, "device"],
  [/file$/i, "file"],
  [/dir$|directory$/i, "directory"],
];

/** A command that an operand names is run elsewhere, an option's is ours. */
const OPTION_KINDS: Kinds = [...KINDS, [/command$|program$/i, "program"]];

/** What is usual where everything is allowed. */
const USUAL_VALUES: Readonly<Record<string, readonly string[]>> = {
  service: ["ssh", "vnc", "rdp"],
  shell: ["bash", "zsh", "fish"],
};

/** Returns every visible command below `program`, itself first. */
export function completionTree(program: Command): CompletionNode[] {
  return nodes(program, "", []);
}

/**
 * Returns at how many operands a command's own flags end: what a variadic
 * operand takes belongs to another program, flags too.
 */
export function flagsLimit(node: CompletionNode): number {
  const { length } = node.operands;
  return node.isVariadic ? Math.max(1, length - 1) : length + 1;
}

function nodes(
  command: Command,
  path: string,
  siblings: readonly string[],
): CompletionNode[] {
  const help = command.createHelp();
  const below = help.visibleCommands(command);
  const commands = below.flatMap((it) =>
    [it.name(), ...it.aliases()].map((name) => ({
      name,
      description: help.subcommandDescription(it),
    }))
  );
  const names = commands.map(({ name }) => name);
  const isHelp = command.name() === "help";
  const node: CompletionNode = {
    path,
    commands,
    options: help.visibleOptions(command).map((option) => ({
      flags: [option.short, option.long].filter((flag) => flag !== undefined),
      description: option.description,
      value: optionValue(option),
    })),
    operands: isHelp
      ? [{ kind: "choices", choices: siblings }]
      : command.registeredArguments.map(operandValue),
    isVariadic: command.registeredArguments.at(-1)?.variadic ?? false,
  };
  const lower = below.flatMap((it) =>
    [it.name(), ...it.aliases()].flatMap((name) =>
      nodes(it, `${path}/${name}`, names)
    )
  );
  return [node, ...lower];
}

function optionValue(option: Option): CompletionValue | undefined {
  const [, name] = /<([^>]+)>/.exec(option.flags) ?? [];
  if (name === undefined) return undefined;
  return namedValue(name, option.argChoices, OPTION_KINDS);
}

function operandValue(argument: Argument): CompletionValue {
  return namedValue(argument.name(), argument.argChoices, KINDS);
}

function namedValue(
  name: string,
  given: readonly string[] | undefined,
  kinds: Kinds,
): CompletionValue {
  const bare = name.replace(/\.\.\.$/, "");
  const choices = given ?? USUAL_VALUES[bare];
  if (choices) return { kind: "choices", choices };
  const [, kind] = kinds.find(([regexp]) => regexp.test(bare)) ?? [];
  return { kind: kind ?? "anything", choices: [] };
}
