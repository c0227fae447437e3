import { devicesScript, gatewayFlags } from "./completion_devices.ts";
import {
  type CompletionNode,
  type CompletionOption,
  type CompletionValue,
  flagsLimit,
} from "./completion_tree.ts";

/** Returns a completion script for fish 3. */
export function fishCompletion(
  name: string,
  tree: readonly CompletionNode[],
): string {
  const fn = `__${name.replace(/[^A-Za-z0-9]/g, "_")}`;
  return `# fish completion for ${name}
${whereFunctions(fn, tree)}
${deviceFunction(fn, devicesScript(tree), gatewayFlags(tree))}

complete -c ${name} -f
${tree.flatMap((node) => rules(name, fn, node)).join("\n")}`;
}

/** Finds out where in the command line we are. */
function whereFunctions(fn: string, tree: readonly CompletionNode[]): string {
  const paths = tree.map(({ path }) => path).filter((path) => path !== "");
  const valued = tree.flatMap(({ path, options }) =>
    options.flatMap(({ flags, value }) =>
      value ? flags.map((flag) => `${path} ${flag}`) : []
    )
  );
  return `
# Prints the path of the command that is typed, and how many operands it has.
function ${fn}_where
    set -l where
    set -l operands 0
    set -l flag
    set -l words (commandline -opc)
    set -e words[1]
    for word in $words
        if test -n "$flag"
            set flag
        else if test "$word" = --
            set where /--
        else if string match -q -- '-*' $word
            contains -- "$where $word" ${list(valued)}
            and set flag $word
        else if test $operands = 0
            and contains -- "$where/$word" ${list(paths)}
            set where "$where/$word"
        else
            set operands (math $operands + 1)
        end
    end
    printf '%s\\n' "$where" $operands
end

# Is it that command, with that many operands?
function ${fn}_at
    set -l found (${fn}_where)
    test "$found[1]" = "$argv[1]"; and test $found[2] = $argv[2]
end

# Is it that command, with fewer operands?
function ${fn}_before
    set -l found (${fn}_where)
    test "$found[1]" = "$argv[1]"; and test $found[2] -lt $argv[2]
end`;
}

/** Asks the gateway that is named on the line. */
function deviceFunction(
  fn: string,
  script: string,
  passed: readonly string[],
): string {
  return `
function ${fn}_devices
    set -l typed (commandline -ct)
    set -l user (string match -r '^.*@' -- $typed)
    set -l words (commandline -opc)
    set -l gateway
    set -l flag
    for word in $words
        if test -n "$flag"
            set -a gateway $flag (string replace -r '^~/' "$HOME/" -- $word)
            set flag
        else if contains -- $word ${list(passed)}
            set flag $word
        end
    end
    set -l program (string replace -r '^~/' "$HOME/" -- $words[1])
    command sh -c ${quote(script)} \\
        sh $program (string replace -r '^.*@' '' -- $typed | string collect -a) $gateway |
        while read -l name
            echo "$user$name"
        end
end`;
}

function rules(name: string, fn: string, node: CompletionNode): string[] {
  const { path, commands, options, operands } = node;
  const at = (operand: number) => quote(`${fn}_at ${quote(path)} ${operand}`);
  const before = quote(`${fn}_before ${quote(path)} ${flagsLimit(node)}`);
  return [
    ...commands.map((it) =>
      `complete -c ${name} -n ${at(0)} -a ${it.name} -d ${
        quote(it.description)
      }`
    ),
    ...options.map((option) =>
      `complete -c ${name} -n ${before} ${flagNames(option)}` +
      `${option.value ? ` -r${candidates(fn, option.value) || " -f"}` : ""}` +
      ` -d ${quote(option.description)}`
    ),
    ...operands.flatMap((value, index) => {
      const found = candidates(fn, value);
      return found === ""
        ? []
        : [`complete -c ${name} -n ${at(index)}${found}`];
    }),
  ];
}

function flagNames({ flags }: CompletionOption): string {
  return flags.map((flag) =>
    flag.startsWith("--") ? `-l ${flag.slice(2)}` : `-s ${flag.slice(1)}`
  ).join(" ");
}

function candidates(fn: string, { kind, choices }: CompletionValue): string {
  switch (kind) {
    case "anything":
      return "";
    case "choices":
      return ` -f -a ${quote(choices.join(" "))}`;
    case "device":
      return ` -f -a ${quote(`(${fn}_devices)`)}`;
    case "directory":
      return ` -f -a ${quote("(__fish_complete_directories)")}`;
    case "file":
      return " -F";
    case "program":
      return ` -f -a ${quote("(__fish_complete_command)")}`;
    default:
      return kind satisfies never;
  }
}

function list(words: readonly string[]): string {
  return words.map(quote).join(" ");
}

/** fish reads a backslash and a quote between single quotes, and no more. */
function quote(text: string): string {
  return `'${text.replace(/[\\']/g, "\\$&")}'`;
}
