import { expect, test } from "bun:test";
import { chmod, mkdir, symlink, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { Fault } from "../../src/protocol/fault.ts";
import { findProgram, runProgram } from "../../src/runtime/programs.ts";
import { runChild, startChild } from "../support/child.ts";
import { rejection } from "../support/rejection.ts";
import { makeTemporaryDir } from "../support/temporary_dir.ts";
import { startInTerminal } from "../support/terminal.ts";

const RUNNER_PATH = new URL("./program_runner.ts", import.meta.url).pathname;
const RUNNER = [process.execPath, RUNNER_PATH];
const NEVER = new AbortController().signal;

async function program(dir: string, name: string, mode: number) {
  const path = join(dir, name);
  await mkdir(dirname(path), { recursive: true });
  await writeFile(path, "#!/bin/sh\nexit 3\n");
  await chmod(path, mode);
  return path;
}

test("findProgram() takes the first executable file of PATH", async () => {
  await using made = await makeTemporaryDir();
  await program(made.path, "a/viewer", 0o644);
  await mkdir(join(made.path, "b/viewer"), { recursive: true });
  const right = await program(made.path, "c/viewer", 0o755);
  await program(made.path, "d/viewer", 0o755);
  const path = ["a", "b", "c", "d"].map((it) => join(made.path, it)).join(":");
  const search = { path, endings: [] };
  expect(findProgram("viewer", search)).toBe(right);
  expect(findProgram("viewers", search)).toBeUndefined();
  expect(findProgram(right, { path: "", endings: [] })).toBe(right);
});

test("findProgram() skips empty and relative directories of PATH", async () => {
  await using made = await makeTemporaryDir();
  await program(made.path, "viewer", 0o755);
  const answers = await runChild([
    process.execPath,
    "-e",
    `import { findProgram } from "${
      new URL("../../src/runtime/programs.ts", import.meta.url).pathname
    }"; console.log(["viewer", "./viewer"].map((it) => String(findProgram(it))));`,
  ], { cwd: made.path, env: { PATH: ":.:" } });
  expect(answers).toEqual({
    status: 0,
    stdout: '[ "undefined", "undefined" ]\n',
    stderr: "",
  });
});

test("findProgram() tries the endings where only they make a program", async () => {
  await using made = await makeTemporaryDir();
  await program(made.path, "mstsc", 0o755);
  const right = await program(made.path, "mstsc.EXE", 0o755);
  const search = { path: made.path, endings: [".COM", ".EXE"] };
  expect(findProgram("mstsc", search)).toBe(right);
  expect(findProgram("mstsc.EXE", search)).toBe(right);
});

test("runProgram() passes the exit status on", async () => {
  const { exitCode } = await runProgram(["sh", "-c", "exit 42"], NEVER);
  expect(exitCode).toBe(42);
});

test("runProgram() answers 128 + n for a program that a signal ended", async () => {
  const { exitCode } = await runProgram(["sh", "-c", "kill -9 $$"], NEVER);
  expect(exitCode).toBe(137);
});

test("runProgram() faults when there is no such program", async () => {
  const error = await rejection(runProgram(["no-such-viewer"], NEVER));
  expect(error).toBeInstanceOf(Fault);
  expect(error).toMatchObject({
    code: "programMissing",
    message: "Cannot start no-such-viewer: not found",
    hint: "Install it, or put its directory into PATH",
  });
});

test("runProgram() faults when the file is no program", async () => {
  await using made = await makeTemporaryDir();
  const path = join(made.path, "noise");
  await writeFile(path, "\x00\x01", { mode: 0o755 });
  const error = await rejection(runProgram([path], NEVER));
  expect(error).toMatchObject({
    code: "programMissing",
    message: `Cannot start ${path}: the system says ENOEXEC`,
  });
});

test("runProgram() ends the program, then rejects, when it is told to stop", async () => {
  const stop = new AbortController();
  const reason = new Error("Told to stop");
  const running = runProgram(["sleep", "60"], stop.signal);
  const startMs = performance.now();
  stop.abort(reason);
  expect(await rejection(running)).toBe(reason);
  expect(performance.now() - startMs).toBeLessThan(1_000);
  expect(await rejection(runProgram(["sleep", "60"], stop.signal)))
    .toBe(reason);
});

test("runProgram() gives back the signals that it took", async () => {
  await runProgram(["true"], NEVER);
  const names = ["SIGINT", "SIGQUIT", "SIGTERM", "SIGHUP"] as const;
  expect(names.map((name) => process.listenerCount(name))).toEqual([
    0,
    0,
    0,
    0,
  ]);
});

test("runProgram() lets Ctrl-C end the program and reports it", async () => {
  await using terminal = startInTerminal([
    ...RUNNER,
    "sh",
    "-c",
    "echo ready; exec sleep 60",
  ]);
  await terminal.find(/ready/);
  terminal.type("\x03");
  await terminal.find(/ended 130/);
  expect(await terminal.exited).toBe(0);
});

test("runProgram() leaves it to the program what Ctrl-C means", async () => {
  await using terminal = startInTerminal([
    ...RUNNER,
    "sh",
    "-c",
    "trap 'echo heard' INT; echo ready; read a; read b; echo got $b; exit 5",
  ]);
  await terminal.find(/ready/);
  terminal.type("\x03");
  await terminal.find(/heard/);
  terminal.type("one\ntwo\n");
  await terminal.find(/got (one|two)/);
  await terminal.find(/ended 5/);
});

test("runProgram() lets the program hear that the window changed", async () => {
  await using terminal = startInTerminal([
    ...RUNNER,
    "bash",
    "-c",
    "trap 'stty size; exit' WINCH; echo ready; while :; do read -t 1 a; done",
  ]);
  await terminal.find(/ready/);
  terminal.resize(132, 43);
  await terminal.find(/43 132/);
  await terminal.find(/ended 0/);
});

test.each(
  [["SIGTERM", 143], ["SIGHUP", 129]] as const,
)("runProgram() passes %s on to the program", async (name, exitCode) => {
  const argv = [...RUNNER, "sh", "-c", "echo ready; exec sleep 60"];
  await using child = startChild(argv);
  await child.line(/ready/);
  child.kill(name);
  await child.line(new RegExp(`^ended ${exitCode}$`));
});

test("selfCommand() names bun and the program's own file", async () => {
  await using made = await makeTemporaryDir();
  const link = join(made.path, "link.ts");
  await symlink(RUNNER_PATH, link);
  for (const path of [RUNNER_PATH, link]) {
    const { stdout } = await runChild([process.execPath, path, "--self"]);
    expect(JSON.parse(stdout)).toEqual([process.execPath, RUNNER_PATH]);
  }
});

test("selfCommand() names a compiled program, however it was called", async () => {
  await using made = await makeTemporaryDir();
  const binary = join(made.path, "migasfree-agent");
  const build = [process.execPath, "build", "--compile", "--outfile", binary];
  expect((await runChild([...build, RUNNER_PATH])).status).toBe(0);
  await symlink(binary, join(made.path, "migasfree-connect"));
  const env = { PATH: `${made.path}:${process.env["PATH"]}` };
  for (const how of [binary, "./migasfree-agent", "migasfree-connect"]) {
    const { stdout } = await runChild(["sh", "-c", `${how} --self`], {
      cwd: made.path,
      env,
    });
    expect(JSON.parse(stdout)).toEqual([binary]);
  }
});
