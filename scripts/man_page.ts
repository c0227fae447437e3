import type { Argument, Command } from "commander";

/** What the page says beside commands and flags. */
export interface ManPageFacts {
  readonly version: string;
  /** Of the page: seconds since 1970. */
  readonly epochSeconds: number;
}

/**
 * Returns the manual page of `program` in roff: every visible command with its
 * arguments and flags, as the program itself describes them.
 */
export function manPage(program: Command, facts: ManPageFacts): string {
  const name = program.name();
  const date = new Date(facts.epochSeconds * 1_000).toISOString().slice(0, 10);
  const lines = [
    `.TH ${name.toUpperCase()} 1 "${date}" "${name} ${
      roff(facts.version)
    }" "migasfree"`,
    ".SH NAME",
    `${roff(name)} \\- ${roff(lower(program.description()))}`,
    ".SH SYNOPSIS",
    `.B ${roff(name)}`,
    ".I command",
    "[\\fIoptions\\fR]",
    ".SH DESCRIPTION",
    "The agent of a computer keeps one outbound link to a gateway. When an",
    "operator asks for a service, the gateway asks the agent, which connects",
    "to its own port. One program is all three.",
    ".PP",
    "What a command was asked for goes to standard output, everything else to",
    "standard error.",
    ".SH COMMANDS",
    ...leaves(program, "").flatMap(([path, command]) => about(path, command)),
    ...FOOT,
  ];
  return `${lines.join("\n")}\n`;
}

const FOOT = [
  ".SH EXIT STATUS",
  "0 done; 1 a check of doctor failed; 64 usage; 69 it cannot be had now;",
  "70 a bug; 76 the other side breaks the protocol; 77 identity refused;",
  "78 configuration. \\fBssh\\fR and \\fBexec\\fR pass on the remote's.",
  ".SH FILES",
  ".TP",
  ".I /etc/migasfree\\-agent/agent.toml",
  "Configuration of the agent.",
  ".TP",
  ".I /etc/migasfree\\-agent/gateway.toml",
  "Configuration of the gateway.",
  ".TP",
  ".I /etc/default/migasfree\\-agent",
  "Environment of the service, HTTPS_PROXY for one.",
  ".TP",
  ".I ~/.migasfree\\-connect/<host>/{ca,cert,key}.pem",
  "An operator's certificates for a gateway.",
  ".SH SEE ALSO",
  ".BR ssh (1),",
  ".BR systemctl (1),",
  ".BR journalctl (1)",
];

function leaves(command: Command, prefix: string): [string, Command][] {
  return command.createHelp().visibleCommands(command)
    .filter((inside) => inside.name() !== "help")
    .flatMap((inside): [string, Command][] => {
      const path = `${prefix}${inside.name()}`;
      const own: [string, Command][] =
        inside.commands.length === 0 || inside.options.length > 0
          ? [[path, inside]]
          : [];
      return [...own, ...leaves(inside, `${path} `)];
    });
}

function about(path: string, command: Command): string[] {
  const operands = command.registeredArguments.map(operand).join(" ");
  const flags = command.createHelp().visibleOptions(command)
    .filter(({ long }) => long !== "--help")
    .flatMap(({ description, flags }) => [
      ".TP",
      `.B ${roff(flags)}`,
      text(description),
    ]);
  return [
    `.SS ${roff(path)}${operands === "" ? "" : ` ${roff(operands)}`}`,
    text(command.description()),
    ...flags,
  ];
}

function operand(argument: Argument): string {
  const name = argument.name() + (argument.variadic ? "..." : "");
  return argument.required ? `<${name}>` : `[${name}]`;
}

function lower(sentence: string): string {
  return (sentence.slice(0, 1).toLowerCase() + sentence.slice(1))
    .replace(/\.$/, "");
}

/** A line of text: one that began with a dot would be a request. */
function text(line: string): string {
  return roff(line).replace(/^([.'])/, "\\&$1");
}

function roff(line: string): string {
  return line.replaceAll("\\", "\\e").replaceAll("-", "\\-");
}
