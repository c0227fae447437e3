import { expect, test } from "bun:test";
import { readdir, stat } from "node:fs/promises";
import { join } from "node:path";
import { Fault } from "../../src/protocol/fault.ts";
import { createCertificateRequest } from "../../src/runtime/certificate_request.ts";
import { EnrollDirectory } from "../../src/runtime/enroll_directory.ts";
import {
  initPki,
  issuePkiCertificate,
  revokePkiCertificates,
} from "../../src/runtime/pki_directory.ts";
import { generateSigningKeys } from "../../src/runtime/signing_key.ts";
import { rejection } from "../support/rejection.ts";
import { makeTemporaryDir } from "../support/temporary_dir.ts";

const TOKEN = {
  id: "ab".repeat(16),
  key: "cd".repeat(32),
  device: 7,
  expiresAtMs: 5_000,
};
const PENDING = {
  ...{ id: "0123456789abcdef", commonName: "enrolled_7", serial: "40aa" },
  ...{ address: "192.0.2.1", expiredAtMs: 1, askedAtMs: 2 },
};

async function makePki() {
  const made = await makeTemporaryDir();
  const dir = join(made.path, "pki");
  await initPki(dir, ["gw.test"], 30);
  return {
    dir,
    // Two gateways, and whoever runs `pki`.
    directories: [1, 2, 3].map(() => new EnrollDirectory(dir)) as [
      EnrollDirectory,
      EnrollDirectory,
      EnrollDirectory,
    ],
    [Symbol.asyncDispose]: () => made[Symbol.asyncDispose](),
  };
}

async function csrFor(name: string): Promise<string> {
  return await createCertificateRequest(name, await generateSigningKeys());
}

test("EnrollDirectory lets one of many take a token, and remembers for what", async () => {
  await using pki = await makePki();
  const [one, two] = pki.directories;
  await one.createToken(TOKEN);
  expect(await two.findToken(TOKEN.id)).toEqual(TOKEN);
  const tries = Array.from(
    { length: 20 },
    (_, at) => (at % 2 === 0 ? one : two).takeToken(TOKEN.id),
  );
  const taken = (await Promise.all(tries)).filter((isTaken) => isTaken);
  expect(taken).toEqual([true]);
  // Whoever took it was killed: it is used all the same.
  expect((await two.findToken(TOKEN.id))?.use).toMatchObject({ serial: "0" });
  const use = { keyHash: "aa", commonName: "enrolled_7", serial: "40bb" };
  await one.noteUse(TOKEN, use);
  expect((await two.findToken(TOKEN.id))?.use).toEqual(use);
});

test("EnrollDirectory keeps records to their owner, and forgets old tokens", async () => {
  await using pki = await makePki();
  const [one] = pki.directories;
  await one.createToken(TOKEN);
  await one.createToken({ ...TOKEN, id: "ef".repeat(16), expiresAtMs: 9_000 });
  const folder = join(pki.dir, "enroll", "tokens");
  const modes = await Promise.all(
    [folder, join(folder, `${TOKEN.id}.json`)].map(async (path) =>
      (await stat(path)).mode & 0o777
    ),
  );
  expect(modes).toEqual([0o700, 0o600]);
  await one.forgetTokens(6_000);
  expect(await readdir(folder)).toEqual([`${"ef".repeat(16)}.json`]);
});

test("EnrollDirectory lets one of many have a name that is free", async () => {
  await using pki = await makePki();
  const [one, two] = pki.directories;
  const tries = Array.from(
    { length: 10 },
    (_, at) => (at % 2 === 0 ? one : two).reserve("enrolled_7"),
  );
  expect((await Promise.all(tries)).filter((isOurs) => isOurs)).toEqual([true]);
  await one.unreserve("enrolled_7");
  expect(await two.reserve("enrolled_7")).toBe(true);
  await two.issue(await csrFor("enrolled_7"), "enrolled_7", 90);
  await two.unreserve("enrolled_7");
  expect(await one.reserve("enrolled_7")).toBe(false);
});

test("EnrollDirectory knows what it has issued, to the byte, and what was revoked", async () => {
  await using pki = await makePki();
  const [one, two] = pki.directories;
  const issued = await one.issue(await csrFor("any"), "enrolled_7", 90);
  expect(await two.recall(`text before\n${issued.pem}`)).toEqual(issued);
  expect(await two.issuedTo("enrolled_7")).toEqual([issued]);
  expect(await two.isRevoked(issued)).toBe(false);
  await revokePkiCertificates(pki.dir, "computer", "enrolled_7");
  expect(await two.isRevoked(issued)).toBe(true);
  // An operator's is none of a computer's.
  const files = await issuePkiCertificate(pki.dir, "operator", "ana", 30);
  const operator = await Bun.file(files["cert_file"] ?? "").text();
  for (const pem of [operator, "", "-----BEGIN CERTIFICATE-----\nAAAA\n"]) {
    expect(await two.recall(pem)).toBeUndefined();
  }
});

test("EnrollDirectory lets an approval through once", async () => {
  await using pki = await makePki();
  const [one, two, person] = pki.directories;
  expect(await person.approve(PENDING.id)).toBe(false);
  expect(await one.ask(PENDING)).toBe(true);
  expect(await two.ask({ ...PENDING, askedAtMs: 3 })).toBe(false);
  expect(await person.pending()).toEqual([PENDING]);
  expect(await one.takeApproval(PENDING.id)).toBe(false);
  expect(await person.approve(PENDING.id)).toBe(true);
  expect(await person.pending()).toEqual([]);
  // It is not asked for again while it waits to be fetched.
  expect(await two.ask(PENDING)).toBe(false);
  const tries = [one, two, one, two].map((it) => it.takeApproval(PENDING.id));
  expect((await Promise.all(tries)).filter((isTaken) => isTaken))
    .toEqual([true]);
});

test("EnrollDirectory takes no path for an id", async () => {
  await using pki = await makePki();
  const [one] = pki.directories;
  for (const id of ["../../ca", "", "a/b", "A".repeat(16), "a".repeat(65)]) {
    const error = Fault.from(await rejection(one.approve(id)));
    expect([id, error.code]).toEqual([id, "usageInvalid"]);
  }
});
