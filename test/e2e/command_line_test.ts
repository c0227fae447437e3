import { expect, test } from "bun:test";
import { join } from "node:path";
import { runChild } from "../support/child.ts";
import { BINARY } from "../support/site.ts";
import { makeTemporaryDir } from "../support/temporary_dir.ts";
import { missingProgram, testUnless } from "../support/test_unless.ts";

const COMMANDS = [
  "",
  "run",
  "status",
  "doctor",
  "hand-identity",
  "exec-helper",
  "service",
  "service install",
  "service uninstall",
  "service status",
  "service start",
  "service stop",
  "enroll",
  "gateway",
  "gateway release",
  "connect",
  "exec",
  "ssh",
  "vnc",
  "rdp",
  "devices",
  "operator",
  "operator import",
  "pki",
  "pki init",
  "pki computer",
  "pki operator",
  "pki crl",
  "pki revoke",
  "pki token",
  "pki pending",
  "pki approve",
  "version",
  "completion",
];

/** Runs the binary with an empty home. */
async function run(...args: readonly string[]) {
  await using home = await makeTemporaryDir();
  return await runChild([BINARY, ...args], { env: { HOME: home.path } });
}

for (const command of COMMANDS) {
  test(`\`${command} --help\` teaches, on stdout`, async () => {
    const words = command.split(" ").filter((word) => word !== "");
    const { status, stdout, stderr } = await run(...words, "--help");
    expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
    expect(stdout).toStartWith(`Usage: migasfree-agent ${command}`);
    // What it does, then how it is called by example.
    expect(stdout.split("\n")[2]).toMatch(/^[A-Z].*\.$/);
    const [, examples = ""] = stdout.split("\nExamples:\n");
    expect(examples).toContain(`migasfree-agent ${command}`.trim());
    const widest = Math.max(...stdout.split("\n").map(({ length }) => length));
    expect(widest).toBeLessThanOrEqual(100);
  });
}

test("the help of the whole names all the commands, and exit statuses", async () => {
  const { stdout } = await run("--help");
  const [, list = ""] = stdout.split("\nCommands:\n");
  const names = [...list.split("\n\n")[0]?.matchAll(/^ {2}(\S+)/gm) ?? []]
    .map(([, name]) => name);
  const tops = COMMANDS.filter((command) => /^[\w-]+$/.test(command));
  expect(names.sort()).toEqual([...tops, "help"].sort());
  for (const status of [0, 64, 69, 76, 77, 78]) {
    expect(stdout).toMatch(new RegExp(`\\b${status}\\b`));
  }
});

const MISTAKES: readonly [string, string][] = [
  ["device", "Unknown command 'device': did you mean devices?"],
  [
    "gateway relaese 7",
    "Too many arguments for 'gateway'. Expected 0 arguments but got 2: relaese, 7.",
  ],
  ["pki inti x", "Unknown command 'inti': did you mean init?"],
  ["devices --jsn", "Unknown option '--jsn': did you mean --json?"],
  ["run --confg a", "Unknown option '--confg': did you mean --config?"],
  ["frobnicate", "Unknown command 'frobnicate'"],
  ["connect 7", "Missing required argument 'service'"],
  ["connect", "Missing required argument 'device'"],
  [
    "pki init ca",
    "Required option '--host <name>' not specified",
  ],
  [
    "version now",
    "Too many arguments for 'version'. Expected 0 arguments but got 1: now.",
  ],
];

for (const [line, sentence] of MISTAKES) {
  test(`\`${line}\` is refused: ${sentence}`, async () => {
    const { status, stdout, stderr } = await run(...line.split(" "));
    const [first, second, ...rest] = stderr.split("\n");
    expect({ status, stdout, first, rest }).toEqual({
      status: 64,
      stdout: "",
      first: `migasfree-agent: ${sentence}`,
      rest: [""],
    });
    expect(second).toMatch(/^ {2}hint: [A-Z]/);
  });
}

test("without a command the help is shown, as an error", async () => {
  const { status, stdout, stderr } = await run();
  expect({ status, stdout }).toEqual({ status: 64, stdout: "" });
  expect(stderr).toStartWith("Usage: migasfree-agent ");
});

test("version is said in words, as a flag, and for programs", async () => {
  const { stdout: json } = await run("version", "--json");
  const { version, commit } = JSON.parse(json);
  const words = `migasfree-agent ${version} (${commit})\n`;
  for (const args of [["version"], ["--version"], ["-V"]]) {
    expect(await run(...args)).toEqual({
      status: 0,
      stdout: words,
      stderr: "",
    });
  }
});

for (const shell of ["bash", "zsh", "fish"]) {
  testUnless(missingProgram(shell))(
    `completion ${shell} prints what ${shell} can read`,
    async () => {
      await using dir = await makeTemporaryDir();
      const { status, stdout } = await run("completion", shell);
      const script = join(dir.path, "script");
      await Bun.write(script, stdout);
      expect(status).toBe(0);
      expect(await runChild([shell, "-n", script])).toEqual({
        status: 0,
        stdout: "",
        stderr: "",
      });
      expect(stdout).toContain("devices");
    },
  );
}
