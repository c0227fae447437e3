import { expect } from "bun:test";
import { missingProgram, testUnless } from "../support/test_unless.ts";
import { startInTerminal } from "../support/terminal.ts";

const test = testUnless(missingProgram("stty"));

const PROGRAM = new URL("./terminal_program.ts", import.meta.url).pathname;
const ARGV = [process.execPath, PROGRAM];

test("askTerminal() shows a line as it is typed, and never a secret", async () => {
  await using terminal = startInTerminal(ARGV);
  await terminal.find(/Name: /);
  terminal.type("abx\x7fc\x1b[A\r");
  const [, echo] = await terminal.find(/([^]*)Password: /);
  expect(echo).toBe("abx\b \bc\r\n");
  terminal.type("wrong\x15s3\u00f1\u20ac");
  terminal.type("t\r");
  const [, shown, said = ""] = await terminal.find(/([^]*?)(\{.*\})/);
  expect(shown).toBe("\r\n");
  expect(JSON.parse(said)).toEqual({
    isTerminal: true,
    name: "abc",
    password: "s3\u00f1\u20act",
  });
});

test("askTerminal() leaves each byte that comes later to the next program", async () => {
  await using terminal = startInTerminal(ARGV);
  await terminal.find(/Name: /);
  // Two answers at once, as somebody pastes them.
  terminal.type("a\rb\r");
  await terminal.find(/"name":"a","password":"b"/);
  // It shows what is typed again.
  expect((await terminal.find(/(-?echo)\r\nready/))[1]).toBe("echo");
  terminal.type("for the child\r");
  await terminal.find(/read for the child/);
  expect(await terminal.exited).toBe(0);
});

test("askTerminal() ends at Ctrl-C and Ctrl-D, with the terminal as it was", async () => {
  for (const key of ["\x03", "\x04"]) {
    await using terminal = startInTerminal(ARGV);
    await terminal.find(/Name: /);
    terminal.type(key);
    await terminal.find(/failed: tunnelCancelled\r\necho\r\nready/);
  }
});

test("askTerminal() ends when it is told to, with the terminal as it was", async () => {
  await using terminal = startInTerminal(ARGV);
  await terminal.find(/Name: /);
  terminal.kill("SIGTERM");
  await terminal.find(/failed: Error: told to stop\r\necho\r\nready/);
});
