import {
  type CompletionNode,
  type CompletionValue,
  flagsLimit,
} from "./completion_tree.ts";

/**
 * Returns two functions that bash and zsh understand alike. `FN_table PATH`
 * sets the arrays `commands`, `flags` and `valued` (flags that take a value)
 * and `limit`, at how many operands the flags end. `FN_value PATH KEY` sets
 * `kind` and `choices` of a flag's value, or of the operand with that number.
 *
 * @param label How a name and its description stand in `commands` and `flags`.
 */
export function completionTable(
  fn: string,
  tree: readonly CompletionNode[],
  label: (name: string, description: string) => string,
): string {
  const rows = tree.map((node) => {
    const commands = node.commands.map((it) => label(it.name, it.description));
    const flags = node.options.flatMap((option) =>
      option.flags.map((flag) => label(flag, option.description))
    );
    const valued = node.options.flatMap((it) => it.value ? it.flags : []);
    return `  ${posixQuote(node.path)})
    commands=(${list(commands)})
    flags=(${list(flags)})
    valued=(${list(valued)})
    limit=${flagsLimit(node)} ;;`;
  });
  return `# Sets what can follow a command: its commands, flags and values.
${fn}_table() {
  commands=() flags=() valued=() limit=0
  case $1 in
${rows.join("\n")}
  esac
}

# Sets the kind of a value, of a flag or of the operand with that number.
${fn}_value() {
  kind=anything choices=()
  case "$1 $2" in
${tree.flatMap(valueRows).join("\n")}
  esac
}`;
}

/** POSIX XCU §2.2.2: nothing is special between single quotes. */
export function posixQuote(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`;
}

function valueRows(node: CompletionNode): string[] {
  const row = (key: string, { kind, choices }: CompletionValue) =>
    kind === "anything" ? [] : [
      `  ${posixQuote(`${node.path} ${key}`)}) kind=${kind} choices=(${
        list(choices)
      }) ;;`,
    ];
  return [
    ...node.options.flatMap(({ flags, value }) =>
      value ? flags.flatMap((flag) => row(flag, value)) : []
    ),
    ...node.operands.flatMap((value, index) => row(String(index), value)),
  ];
}

function list(words: readonly string[]): string {
  return words.map(posixQuote).join(" ");
}
