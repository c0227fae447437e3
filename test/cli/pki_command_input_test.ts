import { expect, test } from "bun:test";
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { parse } from "smol-toml";
import {
  pkiCrl,
  pkiInit,
  pkiIssue,
  pkiRevoke,
  runPkiComputer,
  runPkiInit,
  runPkiOperator,
  runPkiRevoke,
} from "../../src/cli/pki_command.ts";
import { rejection } from "../support/rejection.ts";
import { makeTemporaryDir } from "../support/temporary_dir.ts";

test("runPkiComputer(), runPkiOperator() and runPkiRevoke() refuse names that are no plain folder", async () => {
  await using dir = await makeTemporaryDir();
  const names = [
    ...["", ".", "..", ".x", "../x", "a/b", "a\\b", "/x", "a b", "a\n", "é"],
    ...["a\u0000", "a:b", "a*", "a=b", "a,b", "a+b", "$(x)", "x".repeat(65)],
  ];
  for (const run of [runPkiComputer, runPkiOperator, runPkiRevoke]) {
    for (const name of names) {
      expect(await rejection(run({ dir: dir.path, name }))).toMatchObject({
        code: "usageInvalid",
        hint: "Use 1 to 64 of A-Z a-z 0-9 . _ @ -, and no dot first",
      });
    }
  }
  expect(await readdir(dir.path)).toEqual([]);
});

test("runPkiInit() refuses hosts that are neither a name nor an address", async () => {
  await using dir = await makeTemporaryDir();
  const hosts = [
    ...["", "-a", "a-", "a..b", ".a", "a.", "*.a", "a b", "a:1", "[::1]"],
    ...["999.1.1.1", "1.2.3", "fe80::1%eth0", "é", "a/b", "a".repeat(64)],
    Array(64).fill("abc").join("."),
  ];
  for (const host of hosts) {
    const request = { dir: dir.path, hosts: ["mf.test", host] };
    expect(await rejection(runPkiInit(request))).toMatchObject({
      code: "usageInvalid",
      hint: "Give a DNS name without wildcard, or an address without port",
    });
  }
  for (const list of [[], Array(33).fill("mf.test")]) {
    expect(await rejection(runPkiInit({ dir: dir.path, hosts: list })))
      .toMatchObject({ hint: "Name from 1 to 32 hosts with --host" });
  }
  expect(await readdir(dir.path)).toEqual([]);
});

test("runPkiInit() takes names and addresses of every kind", async () => {
  await using dir = await makeTemporaryDir();
  const hosts = [
    ...["localhost", "a-1.xn--bcher-kva.example", "1.2.3.4", "::1", "7x"],
    "a".repeat(63),
  ];
  for (const host of hosts) {
    const child = join(dir.path, host.replaceAll(":", "_"));
    await runPkiInit({ dir: child, hosts: [host] });
  }
  expect(await readdir(dir.path)).toHaveLength(hosts.length);
});

test("a number of days is whole, from 1 to 7305", async () => {
  await using dir = await makeTemporaryDir();
  await runPkiInit({ dir: dir.path, hosts: ["mf.test"] });
  for (const days of [0, -1, 1.5, 7306, Number.NaN, Infinity]) {
    const request = { dir: dir.path, name: "pc", days };
    expect(await rejection(runPkiComputer(request))).toMatchObject({
      code: "usageInvalid",
      hint: "Give a whole number from 1 to 7305 with --days",
    });
  }
});

test("pki commands answer TOML lines, or JSON, on stdout alone", async () => {
  await using parent = await makeTemporaryDir('x "\\é');
  const answers: string[] = [];
  const said: string[] = [];
  const output = {
    answer: (line: string) => void answers.push(line),
    say: (line: string) => void said.push(line),
  };
  const dir = join(parent.path, "pki");
  const statuses = [
    await pkiInit(dir, { host: ["mf.test"], days: "7" }, output),
    await pkiIssue("computer", dir, "pc", { json: true }, output),
    await pkiIssue("operator", dir, "pc", { days: "1", json: true }, output),
    await pkiRevoke(dir, "pc", { role: "operator", json: true }, output),
    await pkiCrl(dir, { json: true }, output),
  ];
  const [computer, operator, revoked, crl] = answers.splice(4)
    .map((line) => JSON.parse(line));
  expect(parse(answers.join("\n"))).toEqual({
    ca_file: join(dir, "ca.pem"),
    cert_file: join(dir, "gateway/cert.pem"),
    key_file: join(dir, "gateway/key.pem"),
    crl_file: join(dir, "crl.pem"),
  });
  expect(Object.keys(computer)).toEqual(["ca_file", "cert_file", "key_file"]);
  expect(await readFile(operator.cert_file, "utf8")).toStartWith("-----BEGIN");
  expect([revoked, crl])
    .toEqual(Array(2).fill({ crl_file: join(dir, "crl.pem") }));
  expect([statuses, said]).toEqual([[0, 0, 0, 0, 0], []]);
});

test("pkiRevoke() refuses a role that there is not", async () => {
  const output = { answer: () => {}, say: () => {} };
  expect(await rejection(pkiRevoke("/x", "pc", { role: "root" }, output)))
    .toMatchObject({
      code: "usageInvalid",
      message: "Cannot run pki: there is no role root",
    });
});
