import { expect, test } from "bun:test";
import { join } from "node:path";
import { GATES } from "../../scripts/gates.ts";

const ROOT = join(import.meta.dir, "../..");

interface Answer {
  readonly exitCode: number;
  readonly stdout: string;
  readonly stderr: string;
}

function check(...args: string[]): Answer {
  const command = [process.execPath, "scripts/check.ts", ...args];
  const ended = Bun.spawnSync(command, { cwd: ROOT });
  return {
    exitCode: ended.exitCode,
    stdout: ended.stdout.toString(),
    stderr: ended.stderr.toString(),
  };
}

test("check ends with how many passed and failed", () => {
  const { exitCode, stdout } = check("--only", "core-bundle");
  expect(stdout).toMatch(
    /^PASS {2}core-bundle +[0-9.]+ s\n1 passed, 0 failed\n$/,
  );
  expect(exitCode).toBe(0);
});

test("check lists its gates, one a line", () => {
  const { exitCode, stdout } = check("--list");
  const names = stdout.trimEnd().split("\n").map((line) => line.split(" ")[0]);
  expect(names).toEqual(GATES.map(({ name }) => name));
  expect(exitCode).toBe(0);
});

for (const args of [["nonsense"], ["--only", "nonsense"]]) {
  test(`check refuses the unknown gate of \`${args.join(" ")}\``, () => {
    const names = GATES.map(({ name }) => name).join(", ");
    expect(check(...args)).toEqual({
      exitCode: 64,
      stdout: "",
      stderr: `No gate is called nonsense: there are ${names}\n`,
    });
  });
}

test("check refuses an unknown flag", () => {
  const { exitCode, stdout, stderr } = check("--nonsense");
  expect({ exitCode, stdout }).toEqual({ exitCode: 64, stdout: "" });
  expect(stderr).toContain("Usage: scripts/check");
});
