import { expect, test } from "bun:test";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import {
  type CertificateAuthority,
  validityOfDays,
} from "../../src/runtime/certificate_authority.ts";
import { readCertificateRequest } from "../../src/runtime/certificate_request.ts";
import { IdentityFiles } from "../../src/runtime/identity_files.ts";
import { requestFor } from "../../src/runtime/own_request.ts";
import { makeDevPki } from "../support/dev_pki.ts";
import { ManualClock } from "../support/manual_clock.ts";
import { makeTemporaryDir } from "../support/temporary_dir.ts";

const LOOK_MS = 3_000;

/** A certificate for the same key, good for `dayCount` days from now. */
async function successor(
  authority: CertificateAuthority,
  keyPem: string,
  dayCount: number,
): Promise<string> {
  const csr = await requestFor("pc-7", keyPem);
  const { publicKey } = await readCertificateRequest(csr);
  const { certPem } = await authority.certify({
    subject: [["O", "localhost"], ["OU", "COMPUTERS"], ["CN", "pc-7"]],
    usage: "client",
    validity: validityOfDays(dayCount, new Date()),
  }, publicKey);
  return certPem;
}

async function makeFiles() {
  const pki = await makeDevPki();
  const dir = await makeTemporaryDir();
  const computer = await pki.computer("pc-7", validityOfDays(30, new Date()));
  const { caFile, certFile, keyFile } = computer;
  const renewedFile = join(dir.path, "renewed.pem");
  const clock = new ManualClock();
  const paths = { caFile, certFile, keyFile, renewedFile };
  return {
    ...{ clock, computer, pki, renewedFile },
    files: new IdentityFiles(paths, false, clock),
    [Symbol.asyncDispose]: async () => {
      await dir[Symbol.asyncDispose]();
      await pki[Symbol.asyncDispose]();
    },
  };
}

test("IdentityFiles takes the later certificate, and notices when it comes", async () => {
  await using made = await makeFiles();
  const { clock, computer, files, pki, renewedFile } = made;
  expect((await files.read()).cert).toBe(computer.certPem);
  const later = await successor(pki.authority, computer.keyPem, 90);
  let isNoticed = false;
  const changed = files.changed(new AbortController().signal)
    .then(() => void (isNoticed = true));
  await clock.advance(LOOK_MS);
  expect(isNoticed).toBe(false);
  await writeFile(renewedFile, later);
  await clock.advance(LOOK_MS);
  await changed;
  expect(await files.read()).toEqual({
    ...{ ca: pki.caPem, cert: later, key: computer.keyPem, insecure: false },
  });
});

test("IdentityFiles leaves aside what is older, another key's, or broken", async () => {
  await using made = await makeFiles();
  const { computer, files, pki, renewedFile } = made;
  const older = await successor(pki.authority, computer.keyPem, 10);
  const other = await pki.computer("pc-7", validityOfDays(90, new Date()));
  for (const text of [older, other.certPem, "none", "", older.slice(0, 100)]) {
    await writeFile(renewedFile, text);
    expect((await files.read()).cert).toBe(computer.certPem);
  }
});
