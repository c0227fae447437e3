import { expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { runCommand } from "../../scripts/run_command.ts";
import { testUnless } from "../support/test_unless.ts";

const LIMIT_MS = 10_000;
const NEVER = new AbortController().signal;
const testOnLinux = testUnless(
  process.platform === "linux" ? undefined : "it reads /proc",
);

test("runCommand() returns both streams in order, and the exit status", async () => {
  const script = "echo one; echo two >&2; echo three; exit 7";
  const result = await runCommand(["sh", "-c", script], LIMIT_MS, NEVER);
  expect(result).toEqual({
    exitCode: 7,
    isLate: false,
    output: "one\ntwo\nthree\n",
    elapsedMs: result.elapsedMs,
  });
});

test("runCommand() runs in the repository's root", async () => {
  const { output } = await runCommand(["ls", "scripts"], LIMIT_MS, NEVER);
  expect(output.split("\n")).toContain("run_command.ts");
});

testOnLinux(
  "runCommand() neither waits for nor leaves what a command left behind",
  async () => {
    const startMs = performance.now();
    const script = "sleep 60 & echo $!";
    const { output } = await runCommand(["sh", "-c", script], LIMIT_MS, NEVER);
    expect(performance.now() - startMs).toBeLessThan(5_000);
    while (isAlive(Number(output))) {
      expect(performance.now() - startMs).toBeLessThan(5_000);
      await new Promise((resolve) => setImmediate(resolve));
    }
  },
);

test("runCommand() ends the command at once when it is told to", async () => {
  const stop = new AbortController();
  const command = ["sh", "-c", "echo $$; sleep 60"];
  const running = runCommand(command, LIMIT_MS, stop.signal);
  const startMs = performance.now();
  stop.abort(new Error("Told to"));
  const { exitCode, isLate } = await running;
  expect(performance.now() - startMs).toBeLessThan(2_000);
  expect({ exitCode, isLate }).toEqual({ exitCode: 137, isLate: false });
});

/** proc_pid_stat(5): no file when it is gone, Z when nobody has reaped it. */
function isAlive(pid: number): boolean {
  try {
    return !/\) Z /.test(readFileSync(`/proc/${pid}/stat`, "utf8"));
  } catch {
    return false; // No file.
  }
}
