import { expect, test } from "bun:test";
import { cp, readdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import {
  runPkiComputer,
  runPkiCrl,
  runPkiInit,
  runPkiOperator,
  runPkiRevoke,
} from "../../src/cli/pki_command.ts";
import { decodePem } from "../../src/runtime/pem.ts";
import { loadRevocationList } from "../../src/runtime/revocation_list.ts";
import { rejection } from "../support/rejection.ts";
import { makeTemporaryDir } from "../support/temporary_dir.ts";

const HOSTS = ["mf.test"];

async function revoked(dir: string, certFile: string): Promise<boolean> {
  const caPem = await readFile(join(dir, "ca.pem"), "utf8");
  const list = await loadRevocationList([join(dir, "crl.pem")], caPem);
  const certPem = await readFile(certFile, "utf8");
  const [raw = new Uint8Array()] = decodePem(certPem, "CERTIFICATE");
  return list.isRevoked(raw);
}

test("runPkiRevoke() revokes every certificate that a name ever had", async () => {
  await using dir = await makeTemporaryDir();
  await runPkiInit({ dir: dir.path, hosts: HOSTS });
  const name = "pc";
  const old = join(dir.path, "old");
  await runPkiComputer({ dir: dir.path, name });
  await rename(join(dir.path, "computers/pc"), old);
  const { cert_file: renewed = "" } = await runPkiComputer({
    dir: dir.path,
    name,
  });
  const { cert_file: other = "" } = await runPkiOperator({
    dir: dir.path,
    name: "pc2",
  });
  const files = [join(old, "cert.pem"), renewed, other];
  const verdicts = () => Promise.all(files.map((it) => revoked(dir.path, it)));
  expect(await verdicts()).toEqual([false, false, false]);
  expect(await runPkiRevoke({ dir: dir.path, name }))
    .toEqual({ crl_file: join(dir.path, "crl.pem") });
  expect(await verdicts()).toEqual([true, true, false]);
  await runPkiRevoke({ dir: dir.path, name: "pc2", role: "operator" });
  await runPkiRevoke({ dir: dir.path, name });
  await runPkiCrl({ dir: dir.path });
  expect(await verdicts()).toEqual([true, true, true]);
  expect((await readdir(dir.path)).sort()).toEqual([
    ...["ca.key", "ca.pem", "computers", "crl.pem", "gateway", "issued"],
    ...["old", "operators"],
  ]);
});

test("runPkiRevoke() wants to know whom, if two have the name", async () => {
  await using dir = await makeTemporaryDir();
  await runPkiInit({ dir: dir.path, hosts: HOSTS });
  const request = { dir: dir.path, name: "both" };
  const { cert_file: computer = "" } = await runPkiComputer(request);
  const { cert_file: operator = "" } = await runPkiOperator(request);
  expect(await rejection(runPkiRevoke(request))).toMatchObject({
    code: "usageInvalid",
    message: "Cannot run pki: a computer and an operator are called both",
    hint: "Say which with --role computer or --role operator",
  });
  await runPkiRevoke({ ...request, role: "operator" });
  expect([await revoked(dir.path, computer), await revoked(dir.path, operator)])
    .toEqual([false, true]);
  expect(await rejection(runPkiRevoke({ dir: dir.path, name: "nobody" })))
    .toMatchObject({
      code: "usageInvalid",
      message:
        `Cannot run pki: no certificate nobody was issued in ${dir.path}`,
    });
});

test("runPkiRevoke() does not write the CRL beside another command", async () => {
  await using dir = await makeTemporaryDir();
  await runPkiInit({ dir: dir.path, hosts: HOSTS });
  const names = ["a", "b", "c"];
  const certFiles = [];
  for (const name of names) {
    const { cert_file = "" } = await runPkiComputer({ dir: dir.path, name });
    certFiles.push(cert_file);
  }
  const results = await Promise.allSettled(
    names.map((name) => runPkiRevoke({ dir: dir.path, name })),
  );
  const verdicts = await Promise.all(
    certFiles.map((file) => revoked(dir.path, file)),
  );
  // Whoever was told that it worked is in the list: nobody was lost.
  expect(verdicts).toEqual(results.map(({ status }) => status === "fulfilled"));
  expect(verdicts).toContain(true);
  const lock = join(dir.path, "crl.lock");
  await writeFile(lock, "");
  expect(await rejection(runPkiCrl({ dir: dir.path }))).toMatchObject({
    code: "configInvalid",
    message: "Cannot write CRL: another command writes it",
    hint: `Try again; if no command runs, remove ${lock}`,
  });
});

test("the folder of a PKI can be moved and copied", async () => {
  await using dir = await makeTemporaryDir();
  const [before, after] = [join(dir.path, "a"), join(dir.path, "b")];
  await runPkiInit({ dir: before, hosts: HOSTS });
  await runPkiComputer({ dir: before, name: "pc" });
  await cp(before, after, { recursive: true });
  await rm(before, { recursive: true });
  await runPkiRevoke({ dir: after, name: "pc" });
  expect(await revoked(after, join(after, "computers/pc/cert.pem"))).toBe(true);
});
