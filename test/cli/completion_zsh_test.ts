import { afterAll, beforeAll, expect } from "bun:test";
import { existsSync } from "node:fs";
import { copyFile } from "node:fs/promises";
import { join } from "node:path";
import { startInTerminal, type Terminal } from "../support/terminal.ts";
import { missingProgram, testUnless } from "../support/test_unless.ts";
import { installSample, type Sample } from "./sample_program.ts";

const missing = missingProgram("zsh");
const zshTest = testUnless(missing);

/** compinit reads a thousand files. */
const TIMEOUT_MS = 20_000;

let sample: Sample;
let terminal: Terminal;
beforeAll(async () => {
  if (missing !== undefined) return;
  sample = await installSample("zsh");
  terminal = await startZsh(`source ${sample.file}`);
}, TIMEOUT_MS);
afterAll(async () => {
  if (missing !== undefined) return;
  expect(existsSync(join(sample.dir, "hacked"))).toBe(false);
  await terminal[Symbol.asyncDispose]();
  await sample[Symbol.asyncDispose]();
});

/** Starts a shell with completion in the sample's directory. */
async function startZsh(last: string, first = ""): Promise<Terminal> {
  const zsh = startInTerminal(["zsh", "-f", "-i"], {
    env: { ...sample.env, TERM: "vt100" },
    cwd: sample.dir,
  });
  // What is echoed while it is typed does not match: there are quotes in it.
  const init = "autoload -U compinit; compinit -u -D; bindkey -e";
  zsh.type(`PS1='rea''dy> '; ${first}; ${init}; ${last}\n`);
  await zsh.find(/ready> /);
  return zsh;
}

/** Types a line and returns with what the program was called in the end. */
async function run(keys: string): Promise<string | undefined> {
  terminal.type(`${keys}\n`);
  await terminal.find(/ready> /);
  return (await sample.calls()).at(-1);
}

zshTest.each([
  ["mf-sample ss\tx", "ssh|x|"],
  ["mf-sample pk\tre\tx", "pki|revoke|x|"],
  ["mf-sample help pk\tx", "help|pki|x|"],
  ["mf-sample --ver\tx", "--version|x|"],
  ["mf-sample ssh --gat\tx", "ssh|--gateway|x|"],
  ["mf-sample ssh a --gat\tx", "ssh|a|--gatx|"],
  ["mf-sample run --log-format js\tx", "run|--log-format|json|x|"],
  ["mf-sample run --log-format=js\tx", "run|--log-format=json|x|"],
  ["mf-sample connect 7 v\tx", "connect|7|vnc|x|"],
  [
    "mf-sample connect -q --gateway x 7 v\tx",
    "connect|-q|--gateway|x|7|vnc|x|",
  ],
  ["mf-sample ssh --ca cert\tx", "ssh|--ca|certificate.pem|x|"],
  ["mf-sample pki init fold\t", "pki|init|folder|"],
  ["mf-sample ssh aula-\tx", "ssh|aula-7|x|"],
  ["mf-sample ssh root@aula-\tx", "ssh|root@aula-7|x|"],
  ["mf-sample ssh CID-7\tx", "ssh|CID-7|x|"],
])("zsh completes %j", async (keys, expected) => {
  expect(await run(keys)).toBe(expected);
});

zshTest("zsh asks the gateway that is named on the line", async () => {
  const before = (await sample.calls()).length;
  await run(
    "mf-sample ssh --gateway wss://gw:8443/tunnel -q --ca ~/ca.pem aula-\t",
  );
  expect((await sample.calls()).slice(before)).toEqual([
    `devices|--json|--gateway|wss://gw:8443/tunnel|--ca|${sample.dir}/ca.pem|`,
    `ssh|--gateway|wss://gw:8443/tunnel|-q|--ca|${sample.dir}/ca.pem|aula-7|`,
  ]);
});

zshTest("zsh finds the script in a directory of fpath", async () => {
  await copyFile(sample.file, join(sample.dir, "folder", "_mf-sample"));
  const fpath = `fpath+=(${join(sample.dir, "folder")})`;
  await using other = await startZsh(":", fpath);
  other.type("mf-sample ss\taula-\tx\n");
  await other.find(/ready> /);
  expect((await sample.calls()).at(-1)).toBe("ssh|aula-7|x|");
});
