import { expect, test } from "bun:test";
import { checkPatterns } from "../../scripts/check_patterns.ts";

const SWALLOWED = "an error is swallowed: nobody ever hears of it";
const BY_TEXT = "decides by the text of an error: decide by its code";
const SLEEPS = "a test must not sleep: step the clock or await the event";
const LEFT_OUT = "a test is left out, or leaves out the others";
const SILENT =
  "a test is left out in silence: use testUnless(), or say …_MISSING";
const REJECTS = ".rejects can outlive the test: use rejection()";
const DEFAULT = "a default export has no name to search for";
const BARREL = "a barrel: import from the file where the thing lives";
const ARROW = "a function at the top is a `function`";
const LONE = "a TODO names its issue, or it is lost";

const SRC = "src/base/a.ts";
const TEST = "test/base/a_test.ts";

const cases: [path: string, source: string, found: string[]][] = [
  [SRC, "await a.catch(() => {});", [SWALLOWED]],
  [SRC, "await a.catch(() => { /* It is late. */ });", [SWALLOWED]],
  [SRC, "await a.catch(function () {});", [SWALLOWED]],
  [SRC, "await a.catch(() => undefined);", [SWALLOWED]],
  [SRC, "await a.catch(() => undefined); // Told by the other side.", []],
  [SRC, "// Told by the other side.\nawait a.catch(() => undefined);", []],
  [SRC, "// Told there.\nconst b = a.catch(() => undefined);", []],
  [SRC, "const b = a\n  // Told there.\n  .catch(() => undefined);", []],
  [SRC, "await a.catch(() => undefined); b();\n// Late.", [SWALLOWED]],
  [SRC, "await a.catch((error) => say(error));", []],
  [SRC, "await a.catch(() => 0);", []],
  [SRC, 'if (error.message.includes("closed")) a();', [BY_TEXT]],
  [SRC, "if (/closed/.test(error.message)) a();", [BY_TEXT]],
  [SRC, "if (String(error).match(/closed/)) a();", [BY_TEXT]],
  [SRC, 'if (fault.code === "linkLost") a();', []],
  [SRC, 'if (text.includes("a") && /b/.test(text)) a();', []],
  [TEST, 'expect(error.message.includes("a")).toBe(true);', []],
  [SRC, "setTimeout(a, 5);", []],
  [TEST, "await new Promise((go) => setTimeout(go, 5));", [SLEEPS]],
  [TEST, "setInterval(a, 5);", [SLEEPS]],
  [TEST, "await Bun.sleep(5);", [SLEEPS]],
  [TEST, "await clock.sleep(5);", []],
  [TEST, 'import { setTimeout } from "node:timers/promises";', [SLEEPS]],
  ["test/contract/a_contract.ts", "await Bun.sleep(5);", [SLEEPS]],
  ["test/runtime/a_program.ts", "setInterval(a, 1_000);", []],
  ["test/e2e/a_test.ts", "await Bun.sleep(5);", []],
  ["test/support/a.ts", "await Bun.sleep(5);", []],
  [TEST, 'test.skip("a", b);', [LEFT_OUT]],
  [TEST, 'describe.only("a", b);', [LEFT_OUT]],
  [TEST, 'test.todo("a");', [LEFT_OUT]],
  ["test/e2e/a_test.ts", 'test.skip("a", b);', [LEFT_OUT]],
  ["test/support/a.ts", "return test.skip;", []],
  [TEST, 'test.skipIf(!Bun.which("ssh"))("a", b);', [SILENT]],
  [TEST, 'test.if(process.platform === "linux")("a", b);', [SILENT]],
  [TEST, 'test.skipIf(SSH_MISSING !== undefined)("a", b);', []],
  [TEST, 'testUnless(missingProgram("ssh"))("a", b);', []],
  [TEST, "await expect(a).rejects.toThrow();", [REJECTS]],
  [TEST, "expect(await rejection(a)).toBe(b);", []],
  [SRC, "export default 1;", [DEFAULT]],
  [SRC, 'export * from "./b.ts";', [BARREL]],
  [SRC, 'export { b } from "./b.ts";', []],
  [SRC, "const a = () => 1;", [ARROW]],
  [SRC, "export const a = async function () {};", [ARROW]],
  [SRC, "function a() { const b = () => 1; return b; }", []],
  [SRC, "// TODO: later", [LONE]],
  [SRC, "// FIXME(me) later", [LONE]],
  [SRC, "// TODO(#12): later", []],
  [SRC, 'const a = "TODO"; const b = /TODO/; const c = `TODO ${a}`;', []],
];

for (const [path, source, found] of cases) {
  test(`checkPatterns() judges ${source} in ${path}`, async () => {
    expect(await checkPatterns(new Map([[path, source]]))).toEqual(
      found.map((say) => `${path}:1: ${say}`),
    );
  });
}

test("checkPatterns() names the line of each finding", async () => {
  const source = "a();\nawait b.catch(\n  () => {},\n);\n/* XXX */\n";
  expect(await checkPatterns(new Map([[SRC, source]]))).toEqual([
    `${SRC}:2: ${SWALLOWED}`,
    `${SRC}:5: ${LONE}`,
  ]);
});
