import { expect, test } from "bun:test";
import { chmod } from "node:fs/promises";
import { completedProgram } from "../../src/cli/completed_program.ts";
import { completionScript } from "../../src/cli/completion.ts";
import { Fault } from "../../src/protocol/fault.ts";
import { runChild } from "../support/child.ts";
import { makeTemporaryDir } from "../support/temporary_dir.ts";
import { missingProgram, testUnless } from "../support/test_unless.ts";

const NAMES = ["migasfree-agent", "migasfree-connect"];

for (const shell of ["bash", "zsh", "fish"]) {
  testUnless(missingProgram(shell))(
    `completionScript() writes for each name what ${shell} can read`,
    async () => {
      await using dir = await makeTemporaryDir();
      for (const name of NAMES) {
        const path = `${dir.path}/${name}`;
        const script = completionScript(completedProgram(name), shell);
        await Bun.write(path, `${script}\n`);
        const ran = await runChild([shell, "-n", path]);
        expect(ran).toEqual({ status: 0, stdout: "", stderr: "" });
      }
    },
  );
}

test.each(["", "ssh", "toString"])(
  "completedProgram() refuses the name %p",
  (name) => {
    let error: unknown;
    try {
      completedProgram(name);
    } catch (thrown) {
      error = thrown;
    }
    expect(error).toBeInstanceOf(Fault);
    expect(error).toMatchObject({
      code: "usageInvalid",
      message: `Cannot complete for program "${name}"`,
    });
  },
);

const COMPLETE = `source "$1"
COMP_LINE=$2 COMP_POINT=\${#2} COMP_WORDBREAKS=" "
_migasfree_connect
printf '%s\\n' "\${COMPREPLY[@]}"`;

/** Says what it was called with, as the name of a device. */
const STAND_IN = `#!/bin/sh
words=$(printf '%s_' "$@" | tr -c 'a-z0-9_.\\n-' .)
printf '[{"id": 7, "name": "aula-%s"}]' "$words"
`;

testUnless(missingProgram("bash"))(
  "bash completes migasfree-connect, and asks the site that -m names",
  async () => {
    await using dir = await makeTemporaryDir();
    const script = completionScript(
      completedProgram("migasfree-connect"),
      "bash",
    );
    await Bun.write(`${dir.path}/script`, script);
    const program = `${dir.path}/migasfree-connect`;
    await Bun.write(program, STAND_IN);
    await chmod(program, 0o755);
    const complete = async (typed: string) => {
      const bash = ["bash", "--norc", "-c", COMPLETE, "bash"];
      const line = `${program} ${typed}`;
      const { stderr, stdout } = await runChild([
        ...bash,
        `${dir.path}/script`,
        line,
      ]);
      return [stderr, stdout.trim().split("\n").sort().join(" ")];
    };
    expect([
      await complete("-t "),
      await complete("root --ma"),
      await complete("-m mf.test -q --ca x --port 1 -a a"),
    ]).toEqual([
      ["", "exec rdp ssh vnc"],
      ["", "--manager"],
      ["", "aula---list_--json_-m_mf.test_--ca_x_"],
    ]);
  },
);
