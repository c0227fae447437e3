import { expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { chmod, mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { Fault } from "../../src/protocol/fault.ts";
import {
  COMMAND_OUTPUT_MAX_BYTES,
  runCommand,
} from "../../src/runtime/run_command.ts";
import { eventually } from "../support/eventually.ts";
import { rejection } from "../support/rejection.ts";
import { makeTemporaryDir } from "../support/temporary_dir.ts";

const running = new AbortController().signal;
const LONG_MS = 9_000;

function shell(script: string, timeoutMs = LONG_MS, signal = running) {
  return runCommand(["sh", "-c", script], timeoutMs, signal);
}

async function failure(work: Promise<unknown>) {
  const { code, message } = Fault.from(await rejection(work));
  return [code, message];
}

/** Whether a process runs: a dead one that nobody has waited for does not. */
function isAlive(pid: number): boolean {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    return !/^\d+ \(.*\) [ZX]/.test(stat);
  } catch {
    return false; // There is no such process.
  }
}

test("runCommand() returns exit status and both outputs", async () => {
  const ended = await shell(
    'echo out; echo err >&2; printf "\\303\\251"; exit 3',
  );
  expect(ended).toEqual({ exitCode: 3, stdout: "out\né", stderr: "err\n" });
});

test("runCommand() answers 128 + n for a program that a signal ended", async () => {
  const { exitCode } = await shell("kill -9 $$");
  expect(exitCode).toBe(137);
});

test("runCommand() uses no shell: arguments arrive as they are", async () => {
  const odd = ["$HOME", "a b", "*", ";", "`id`", '"', ""];
  const ended = await runCommand(["printf", "%s|", ...odd], LONG_MS, running);
  expect(ended.stdout).toBe(`${odd.join("|")}|`);
});

test("runCommand() gives the program no input to wait for", async () => {
  expect(await shell("cat")).toEqual({ exitCode: 0, stdout: "", stderr: "" });
});

test("runCommand() faults where there is no such program, or it cannot start", async () => {
  expect(await failure(runCommand(["no-such-program"], LONG_MS, running)))
    .toEqual(["programMissing", "Cannot start no-such-program: not found"]);
  await using made = await makeTemporaryDir();
  await mkdir(join(made.path, "dir"));
  const path = join(made.path, "broken");
  await writeFile(path, "#!/no/such/interpreter\n");
  await chmod(path, 0o755);
  expect(await failure(runCommand([path], LONG_MS, running)))
    .toEqual([
      "programMissing",
      `Cannot start ${path}: the system says ENOENT`,
    ]);
});

test("runCommand() takes output at its limit and refuses one byte more", async () => {
  const bytes = (count: number) => shell(`head -c ${count} /dev/zero`);
  const { stdout } = await bytes(COMMAND_OUTPUT_MAX_BYTES);
  expect(stdout).toHaveLength(64 * 1024);
  const [code, message] = await failure(bytes(COMMAND_OUTPUT_MAX_BYTES + 1));
  expect([code, message]).toEqual([
    "messageTooLarge",
    "Cannot read what `sh -c head -c 65537 /dev/zero` prints: over 65536 bytes",
  ]);
});

test("runCommand() ends a program that never stops talking", async () => {
  const startMs = performance.now();
  expect((await failure(shell("yes")))[0]).toBe("messageTooLarge");
  expect(performance.now() - startMs).toBeLessThan(3_000);
});

test("runCommand() keeps the end of what went to stderr", async () => {
  const { stderr } = await shell(
    "head -c 300000 /dev/zero | tr '\\0' x >&2; echo last >&2",
  );
  expect(stderr).toBe(`${"x".repeat(4_091)}last\n`);
});

test("runCommand() kills what is late, and all that it has started", async () => {
  await using made = await makeTemporaryDir();
  const pids = join(made.path, "pids");
  // Deaf to SIGTERM, and with a child that holds the pipe.
  const script = `trap '' TERM; sleep 600 & echo $! $$ > ${pids}; wait`;
  const startMs = performance.now();
  const found = await failure(shell(script, 500));
  const tookMs = performance.now() - startMs;
  expect(found).toEqual([
    "linkSilent",
    `Cannot wait for \`sh -c ${script}\`: it runs for more than 0.5 s`,
  ]);
  expect(tookMs).toBeGreaterThanOrEqual(450);
  expect(tookMs).toBeLessThan(2_000);
  const started = readFileSync(pids, "utf8").trim().split(" ").map(Number);
  expect(started).toHaveLength(2);
  await eventually("both are gone", () => !started.some(isAlive));
});

test("runCommand() does not wait for what has left the group and keeps the pipe", async () => {
  await using made = await makeTemporaryDir();
  const file = join(made.path, "pid");
  const script = `setsid sh -c 'echo $$ > ${file}; exec sleep 600' & sleep 0.1`;
  const startMs = performance.now();
  expect((await failure(shell(script, 700)))[0]).toBe("linkSilent");
  expect(performance.now() - startMs).toBeLessThan(2_000);
  process.kill(Number(readFileSync(file, "utf8")), "SIGKILL");
});

test("runCommand() stops at once when it is told to, and kills the program", async () => {
  await using made = await makeTemporaryDir();
  const file = join(made.path, "pid");
  const stop = new AbortController();
  const reason = new Error("Agent is stopping");
  const script = `echo $$ > ${file}.new; mv ${file}.new ${file}; sleep 600`;
  const waiting = rejection(shell(script, LONG_MS, stop.signal));
  let pid = 0;
  await eventually("it runs", () => {
    try {
      pid = Number(readFileSync(file, "utf8"));
    } catch {
      return false; // Not yet.
    }
    return isAlive(pid);
  });
  const startMs = performance.now();
  stop.abort(reason);
  expect(await waiting).toBe(reason);
  expect(performance.now() - startMs).toBeLessThan(1_000);
  await eventually("it is gone", () => !isAlive(pid));
});

test("runCommand() starts nothing once it has been told to stop", async () => {
  const reason = new Error("Agent is stopping");
  const error = await rejection(
    runCommand(["no-such-program"], LONG_MS, AbortSignal.abort(reason)),
  );
  expect(error).toBe(reason);
});

test("runCommand() leaves the event loop free while it waits", async () => {
  let turns = 0;
  const ticking = setImmediate(function tick() {
    turns++;
    if (turns < 1_000) setImmediate(tick);
  });
  await shell("sleep 0.3");
  clearImmediate(ticking);
  expect(turns).toBe(1_000);
});
