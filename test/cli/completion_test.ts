import { expect, test } from "bun:test";
import { completionScript } from "../../src/cli/completion.ts";
import { createProgram } from "../../src/cli/program.ts";
import { Fault } from "../../src/protocol/fault.ts";
import { runChild } from "../support/child.ts";
import { makeTemporaryDir } from "../support/temporary_dir.ts";
import { missingProgram, testUnless } from "../support/test_unless.ts";

const PROGRAM = createProgram(
  { answer: () => undefined, say: () => undefined },
  () => undefined,
);

for (const shell of ["bash", "zsh", "fish"]) {
  testUnless(missingProgram(shell))(
    `completionScript() writes what ${shell} can read`,
    async () => {
      await using dir = await makeTemporaryDir();
      const path = `${dir.path}/script`;
      await Bun.write(path, `${completionScript(PROGRAM, shell)}\n`);
      const ran = await runChild([shell, "-n", path]);
      expect(ran).toEqual({ status: 0, stdout: "", stderr: "" });
    },
  );
}

test.each(["", "powershell", "toString"])(
  "completionScript() refuses the shell %p",
  (shell) => {
    let error: unknown;
    try {
      completionScript(PROGRAM, shell);
    } catch (thrown) {
      error = thrown;
    }
    expect(error).toBeInstanceOf(Fault);
    expect(error).toMatchObject({
      code: "usageInvalid",
      message: `Cannot complete for "${shell}"`,
      hint: "Give bash, zsh or fish",
    });
  },
);
