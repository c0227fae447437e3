import { expect, test } from "bun:test";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { publicPem } from "../../src/cli/public_pem.ts";
import { rejection } from "../support/rejection.ts";
import { makeTemporaryDir } from "../support/temporary_dir.ts";

const BODY = "MIIBwTCCAWegAwIBAgIQ\nT4J889zHN4syEAQ9fHpNLw==";

function block(label: string): string {
  return `-----BEGIN ${label}-----\n${BODY}\n-----END ${label}-----\n`;
}

async function doorIn(ca: string, ...crls: string[]) {
  const dir = await makeTemporaryDir("public-pem");
  const clientCaFile = join(dir.path, "ca.pem");
  await writeFile(clientCaFile, ca);
  const crlFiles = crls.map((_, at) => join(dir.path, `crl-${at}.pem`));
  for (const [at, text] of crls.entries()) {
    await writeFile(crlFiles[at] ?? "", text);
  }
  const files = { certFile: "", keyFile: "", clientCaFile, crlFiles };
  return { dir, door: { tag: "tls" as const, ...files } };
}

test("publicPem() shows certificates and CRLs, and never a key that is beside them", async () => {
  const certificate = block("CERTIFICATE");
  const crl = block("X509 CRL");
  const { dir, door } = await doorIn(
    `text\n${block("PRIVATE KEY")}${certificate}${block("RSA PRIVATE KEY")}` +
      certificate,
    crl,
    `${block("EC PRIVATE KEY")}${crl}`,
  );
  await using _dir = dir;
  const pem = publicPem(door);
  expect(await pem.ca()).toBe(certificate + certificate);
  expect(await pem.crl()).toBe(crl + crl);
});

test("publicPem() reads the files each time, and has nothing where there is nothing", async () => {
  const { dir, door } = await doorIn("");
  await using _dir = dir;
  const pem = publicPem(door);
  expect([await pem.ca(), await pem.crl()]).toEqual([undefined, undefined]);
  await writeFile(door.clientCaFile, block("CERTIFICATE"));
  expect(await pem.ca()).toBe(block("CERTIFICATE"));
  const behind = publicPem({
    tag: "behindProxy",
    trusted: [],
    identityHeader: "X",
    internalOperators: [],
  });
  expect([await behind.ca(), await behind.crl()])
    .toEqual([undefined, undefined]);
  const gone = { ...door, clientCaFile: `${door.clientCaFile}.gone` };
  expect(await rejection(publicPem(gone).ca())).toMatchObject({
    code: "configInvalid",
  });
});
