import { expect, test } from "bun:test";

const PROGRAM_PATH = new URL("./signals_program.ts", import.meta.url).pathname;

/** The program, and what it says, line by line. */
function start(mode: string) {
  const child = Bun.spawn({
    cmd: [process.execPath, PROGRAM_PATH, mode],
    stdin: "ignore",
    stdout: "pipe",
    stderr: "inherit",
  });
  const reader = child.stdout.pipeThrough(new TextDecoderStream()).getReader();
  let text = "";
  return {
    child,
    /** Resolves with the next `count` lines. */
    lines: async (count: number): Promise<string[]> => {
      while (text.split("\n").length <= count) {
        const { value, done } = await reader.read();
        if (done) break;
        text += value;
      }
      const lines = text.split("\n");
      text = lines.slice(count).join("\n");
      return lines.slice(0, count);
    },
    [Symbol.asyncDispose]: async () => {
      child.kill("SIGKILL");
      await child.exited;
    },
  };
}

for (
  const [name, exitCode] of [["SIGTERM", 143], ["SIGINT", 130]] as const
) {
  test(`stopOnSignals() aborts at ${name}, and leaves at the second`, async () => {
    await using program = start("");
    expect(await program.lines(1)).toEqual(["ready"]);
    program.child.kill(name);
    expect(await program.lines(2)).toEqual([
      `info process.stop ${name}`,
      `agentStopping The agent was stopped by ${name}`,
    ]);
    program.child.kill(name);
    expect(await program.lines(1)).toEqual([`warn process.exit ${name}`]);
    expect([await program.child.exited, program.child.signalCode])
      .toEqual([exitCode, null]);
  });
}

test("stopOnSignals() takes a SIGTERM after a SIGINT for the second", async () => {
  await using program = start("");
  await program.lines(1);
  program.child.kill("SIGINT");
  await program.lines(2);
  program.child.kill("SIGTERM");
  expect(await program.child.exited).toBe(143);
});

test("stopOnSignals() hands SIGHUP over, each time, and does not stop", async () => {
  await using program = start("");
  await program.lines(1);
  program.child.kill("SIGHUP");
  expect(await program.lines(1)).toEqual(["hang up"]);
  program.child.kill("SIGHUP");
  expect(await program.lines(1)).toEqual(["hang up"]);
  program.child.kill("SIGTERM");
  expect(await program.lines(1)).toEqual(["info process.stop SIGTERM"]);
});

test("stopOnSignals() gives the signals back when it is disposed of", async () => {
  await using program = start("dispose");
  await program.lines(1);
  program.child.kill("SIGTERM");
  expect((await program.lines(3)).at(-1)).toBe("disposed");
  program.child.kill("SIGHUP");
  await program.child.exited;
  expect(program.child.signalCode).toBe("SIGHUP");
});
