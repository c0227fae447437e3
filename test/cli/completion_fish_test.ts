import { afterAll, beforeAll, expect } from "bun:test";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { runChild } from "../support/child.ts";
import { missingProgram, testUnless } from "../support/test_unless.ts";
import { installSample, type Sample } from "./sample_program.ts";

const fishTest = testUnless(missingProgram("fish"));

let sample: Sample;
beforeAll(async () => {
  sample = await installSample("fish");
});
afterAll(async () => {
  expect(existsSync(join(sample.dir, "hacked"))).toBe(false);
  await sample[Symbol.asyncDispose]();
});

async function complete(line: string): Promise<string[]> {
  const script = "source $argv[1]; complete -C $argv[2]";
  const fish = ["fish", "-c", script, sample.file, line];
  const ran = await runChild(fish, { env: sample.env, cwd: sample.dir });
  expect(ran.stderr).toBe("");
  // Each line is a word, a tab and its description.
  return ran.stdout.split("\n").map((it) => it.replace(/\t.*/, ""))
    .filter((it) => it !== "").sort();
}

fishTest.each([
  ["", ["connect", "devices", "help", "pki", "run", "ssh", "start"]],
  ["s", ["ssh", "start"]],
  ["se", []],
  ["pki ", ["help", "init", "revoke"]],
  ["help p", ["pki"]],
  ["--v", ["--version"]],
  ["ssh --", ["--ca", "--gateway", "--help", "--quiet"]],
  ["ssh aula-7 -", []],
  ["ssh -- -", []],
  ["run --log-format ", ["json", "text"]],
  ["run --log-format=j", ["--log-format=json"]],
  ["run ", []],
  ["connect 7 ", ["rdp", "ssh", "vnc"]],
  ["connect -q --gateway x 7 v", ["vnc"]],
  ["connect 7 vnc ", []],
  ["ssh --ca cert", ["certificate.pem"]],
  ["ssh --gateway ", []],
  ["pki init fold", ["folder/"]],
  ["pki init --host ", []],
  ["ssh ", ["CID-10", "CID-11", "CID-12", "CID-9", "aula-7", "aula_8.lab"]],
  ["ssh root@aula-", ["root@aula-7"]],
  ["ssh CID-1", ["CID-10", "CID-11", "CID-12"]],
])("fish completes `mf-sample %s` with %j", async (typed, expected) => {
  expect(await complete(`mf-sample ${typed}`)).toEqual(expected);
});

fishTest("fish asks the gateway that is named on the line", async () => {
  await complete(
    "mf-sample ssh --gateway wss://gw:8443/tunnel -q --ca ~/ca.pem a",
  );
  expect((await sample.calls()).at(-1)).toBe(
    `devices|--json|--gateway|wss://gw:8443/tunnel|--ca|${sample.dir}/ca.pem|`,
  );
});
