import { expect, test } from "bun:test";
import { shellWords } from "../../src/connect/shell_words.ts";
import { runChild } from "../support/child.ts";
import { missingProgram, testUnless } from "../support/test_unless.ts";

/** Every character that some shell, somewhere, reads as more than itself. */
const HOSTILE_WORDS = [
  "",
  "plain",
  "two words",
  "it's",
  '"quoted"',
  "back\\slash\\\\",
  "\\",
  "'",
  "a'b\\'c",
  "$HOME ${HOME} $(id) `id`",
  "!! !x a!b",
  "%self %% %n",
  "=ls",
  "~ ~root",
  "* ? [a-z] {a,b} <a >b |c ;d &e (f) #g ^h",
  "-o",
  "tab\there",
  "ñandú 日本",
  "trailing\\",
];

const PRINT = [
  process.execPath,
  "-e",
  "console.log(JSON.stringify(process.argv.slice(1)))",
];

for (
  const shell of ["sh", "dash", "bash", "zsh", "fish", "csh", "tcsh", "ksh"]
) {
  testUnless(missingProgram(shell))(
    `shellWords() reaches a program unchanged through ${shell}`,
    async () => {
      const line = shellWords([...PRINT, "--", ...HOSTILE_WORDS], "linux");
      const ran = await runChild([shell, "-c", `exec ${line}`]);
      expect(ran.stderr).toBe("");
      expect(JSON.parse(ran.stdout)).toEqual(HOSTILE_WORDS);
    },
  );
}

test("shellWords() leaves plain words as they are", () => {
  const words = [
    "/usr/bin/migasfree-agent",
    "--gateway",
    "wss://gw.example.org:8443/tunnel",
  ];
  expect(shellWords(words, "linux")).toBe(words.join(" "));
});

test.each([
  ["C:\\Program Files\\mf\\agent.exe", '"C:/Program Files/mf/agent.exe"'],
  ["C:\\mf\\agent.exe", "C:/mf/agent.exe"],
  ["\\\\server\\share\\a b", '"//server/share/a b"'],
  ["--gateway", "--gateway"],
  ["certs\\ca.pem", '"certs\\ca.pem"'],
  ["a b\\", '"a b\\\\"'],
  ['say "hi"', '"say \\"hi\\""'],
  ['x\\"y', '"x\\\\\\"y"'],
  ["", '""'],
])("shellWords() writes %p for Windows as %p", (word, expected) => {
  expect(shellWords([word], "win32")).toBe(expected);
});
