import { expect, test } from "bun:test";
import { Command } from "commander";
import { manPage } from "../../scripts/man_page.ts";
import { createProgram } from "../../src/cli/program.ts";
import { missingProgram, testUnless } from "../support/test_unless.ts";

const testWithMan = testUnless(missingProgram("man"));
const facts = { version: "2.0.0-alpha.1", epochSeconds: 1_700_000_000 };

test("manPage() tells of commands, operands and flags as the program does", () => {
  const program = new Command("sample").description("Do it.");
  program.command("run").argument("<dir>").argument("[more...]")
    .description(".config is read.").option("-q, --quiet", "say \\ nothing");
  const page = manPage(program, facts);
  expect(page.split("\n")[0]).toBe(
    '.TH SAMPLE 1 "2023-11-14" "sample 2.0.0\\-alpha.1" "migasfree"',
  );
  expect(page).toContain("sample \\- do it\n");
  expect(page).toContain(
    ".SS run <dir> [more...]\n\\&.config is read.\n" +
      ".TP\n.B \\-q, \\-\\-quiet\nsay \\e nothing\n",
  );
});

testWithMan(
  "man(1) reads the page of migasfree-agent without a warning",
  () => {
    const nobody = { answer: () => undefined, say: () => undefined };
    const page = manPage(createProgram(nobody, () => undefined), facts);
    const { exitCode, stderr, stdout } = Bun.spawnSync(
      ["man", "--warnings", "--local-file", "-"],
      {
        stdin: Buffer.from(page),
        env: { ...process.env, MANWIDTH: "100", LC_ALL: "C.UTF-8" },
      },
    );
    expect([exitCode, stderr.toString()]).toEqual([0, ""]);
    const text = stdout.toString();
    for (
      const word of ["gateway release", "pki init", "--stdio", "EXIT STATUS"]
    ) {
      expect([word, text.includes(word)]).toEqual([word, true]);
    }
  },
);
