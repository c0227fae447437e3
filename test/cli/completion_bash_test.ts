import { afterAll, beforeAll, expect, test } from "bun:test";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { runChild } from "../support/child.ts";
import { startInTerminal } from "../support/terminal.ts";
import { installSample, type Sample } from "./sample_program.ts";

let sample: Sample;
beforeAll(async () => {
  sample = await installSample("bash");
});
afterAll(async () => {
  expect(existsSync(join(sample.dir, "hacked"))).toBe(false);
  await sample[Symbol.asyncDispose]();
});

const COMPLETE = `source "$1"
COMP_LINE=$2 COMP_POINT=\${#2} COMP_WORDBREAKS=$3
eval "$(complete -p mf-sample | sed 's/.*-F \\([^ ]*\\).*/\\1/')"
printf '%s\\n' "\${COMPREPLY[@]}"`;

const WORD_BREAKS = "\"'@><=;|&(: \t\n";

async function complete(line: string, wordBreaks = WORD_BREAKS) {
  const bash = ["bash", "--norc", "-c", COMPLETE, "bash"];
  const ran = await runChild([...bash, sample.file, line, wordBreaks], {
    env: sample.env,
    cwd: sample.dir,
  });
  expect(ran.stderr).toBe("");
  return ran.stdout.split("\n").filter((it) => it !== "").sort();
}

test.each([
  ["", ["connect", "devices", "help", "pki", "run", "ssh", "start"]],
  ["s", ["ssh", "start"]],
  ["se", []],
  ["pki ", ["help", "init", "revoke"]],
  ["pki i", ["init"]],
  ["help p", ["pki"]],
  ["--v", ["--version"]],
  ["ssh -", ["--ca", "--gateway", "--help", "--quiet", "-h", "-q"]],
  ["ssh aula-7 -", []],
  ["ssh -- -", []],
  ["run --l", ["--log-format"]],
  ["run --log-format ", ["json", "text"]],
  ["start --log-format t", ["text"]],
  ["run --log-format=j", ["json"]],
  ["run ", []],
  ["connect 7 ", ["rdp", "ssh", "vnc"]],
  ["connect -q --gateway x 7 v", ["vnc"]],
  ["connect 7 vnc ", []],
  ["ssh --ca cert", ["certificate.pem"]],
  ["ssh --ca=cert", ["certificate.pem"]],
  ["ssh --gateway ", []],
  ["pki init f", ["folder"]],
  ["pki init --host ", []],
])("bash completes `mf-sample %s` with %j", async (typed, expected) => {
  expect(await complete(`mf-sample ${typed}`)).toEqual(expected);
});

test.each([
  ["ssh ", ["CID-10", "CID-11", "CID-12", "CID-9", "aula-7", "aula_8.lab"]],
  ["ssh au", ["aula-7", "aula_8.lab"]],
  ["ssh root@aula-", ["@aula-7"]],
  ["ssh CID-", ["CID-10", "CID-11", "CID-12", "CID-7", "CID-8", "CID-9"]],
  ["ssh 'mf", []],
])("bash completes `mf-sample %s` with devices %j", async (typed, expected) => {
  expect(await complete(`mf-sample ${typed}`)).toEqual(expected);
});

test("bash keeps the whole word where @ and = break none", async () => {
  expect(await complete("mf-sample ssh root@aula-", " \t\n"))
    .toEqual(["root@aula-7"]);
  expect(await complete("mf-sample run --log-format=j", " \t\n"))
    .toEqual(["--log-format=json"]);
});

test("bash asks the gateway that is named on the line", async () => {
  const line =
    "mf-sample ssh --gateway wss://gw:8443/tunnel -q --ca ~/ca.pem a";
  await complete(line);
  expect((await sample.calls()).at(-1)).toBe(
    `devices|--json|--gateway|wss://gw:8443/tunnel|--ca|${sample.dir}/ca.pem|`,
  );
});

test("bash waits two seconds for devices, and says nothing", async () => {
  await using slow = await installSample("bash");
  await slow.devices("echo noise >&2; exec sleep 30");
  const startMs = performance.now();
  const bash = ["bash", "--norc", "-c", COMPLETE, "bash"];
  const ran = await runChild(
    [...bash, slow.file, "mf-sample ssh a", WORD_BREAKS],
    { env: slow.env },
  );
  expect(ran).toEqual({ status: 0, stdout: "\n", stderr: "" });
  const tookMs = performance.now() - startMs;
  expect(tookMs).toBeGreaterThan(1_900);
  expect(tookMs).toBeLessThan(4_000);
});

test("bash completes what is typed into a terminal", async () => {
  await using terminal = startInTerminal(["bash", "--norc", "--noprofile"], {
    env: { ...sample.env, PS1: "ready> ", HISTFILE: "" },
    cwd: sample.dir,
  });
  await terminal.find(/ready> /);
  terminal.type(`source ${sample.file}\n`);
  await terminal.find(/ready> /);
  terminal.type("mf-sample ss\t--c\tcer\troot@aula-\t-v\n");
  await terminal.find(/ready> /);
  expect((await sample.calls()).at(-1))
    .toBe("ssh|--ca|certificate.pem|root@aula-7|-v|");
});
