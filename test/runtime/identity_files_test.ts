import { expect, test } from "bun:test";
import { copyFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { Fault } from "../../src/protocol/fault.ts";
import { IdentityFiles } from "../../src/runtime/identity_files.ts";
import { type DevCertificate, makeDevPki } from "../support/dev_pki.ts";
import { ManualClock } from "../support/manual_clock.ts";
import { rejection } from "../support/rejection.ts";
import { makeTemporaryDir } from "../support/temporary_dir.ts";

const running = new AbortController().signal;
/** More than the files may go unlooked at. */
const LOOK_MS = 3_000;

/** A folder as migasfree's client fills it. */
async function makeFolder() {
  const made = await makeTemporaryDir();
  const paths = {
    caFile: join(made.path, "ca.pem"),
    certFile: join(made.path, "cert.pem"),
    keyFile: join(made.path, "key.pem"),
  };
  return {
    paths,
    enrol: async ({ certFile, keyFile, caFile }: DevCertificate) => {
      await copyFile(caFile, paths.caFile);
      await copyFile(certFile, paths.certFile);
      await copyFile(keyFile, paths.keyFile);
    },
    [Symbol.asyncDispose]: () => made[Symbol.asyncDispose](),
  };
}

async function fault(files: IdentityFiles): Promise<Fault> {
  return Fault.from(await rejection(files.read()));
}

/** Whether `changed()` has been heard of, asked again and again. */
function watch(files: IdentityFiles, signal = running) {
  const seen = { changed: false };
  void files.changed(signal).then(
    () => seen.changed = true,
    () => seen.changed = false,
  );
  return seen;
}

const OPTIONAL = { isCaAdded: true, isPairOptional: true };

test("IdentityFiles reads a pair, and believes no CA but the one named", async () => {
  await using pki = await makeDevPki();
  await using folder = await makeFolder();
  const computer = await pki.computer("pc-7");
  await folder.enrol(computer);
  const files = new IdentityFiles(folder.paths, false, new ManualClock());
  expect(await files.read()).toEqual({
    ca: pki.caPem,
    cert: computer.certPem,
    key: computer.keyPem,
    insecure: false,
  });
});

test("item 4: IdentityFiles puts an added CA before those of the system", async () => {
  await using pki = await makeDevPki();
  await using folder = await makeFolder();
  await folder.enrol(await pki.computer("pc-7"));
  const paths = { ...folder.paths, ...OPTIONAL };
  const { ca = "" } = await new IdentityFiles(paths, false, new ManualClock())
    .read();
  expect(ca.startsWith(pki.caPem)).toBe(true);
  expect(ca.split("-----BEGIN CERTIFICATE-----").length).toBeGreaterThan(20);
});

test("item 54: IdentityFiles believes the system's CAs where nobody named one", async () => {
  await using pki = await makeDevPki();
  await using folder = await makeFolder();
  await folder.enrol(await pki.computer("pc-7"));
  const paths = { ...folder.paths, caFile: undefined, isCaAdded: true };
  const { ca = "", insecure } = await new IdentityFiles(
    paths,
    false,
    new ManualClock(),
  ).read();
  expect(ca.split("-----BEGIN CERTIFICATE-----").length).toBeGreaterThan(20);
  expect([ca.includes(pki.caPem), insecure]).toEqual([false, false]);
});

test("IdentityFiles takes files that are optional and absent for none", async () => {
  await using folder = await makeFolder();
  const paths = { ...folder.paths, ...OPTIONAL };
  const none = { ca: undefined, cert: undefined, key: undefined };
  expect(await new IdentityFiles(paths, true, new ManualClock()).read())
    .toEqual({ ...none, insecure: true });
  const strict = new IdentityFiles(folder.paths, false, new ManualClock());
  expect((await fault(strict)).code).toBe("configInvalid");
});

test("IdentityFiles refuses a pair of which one is missing", async () => {
  await using pki = await makeDevPki();
  await using folder = await makeFolder();
  await folder.enrol(await pki.computer("pc-7"));
  await rm(folder.paths.keyFile);
  const paths = { ...folder.paths, ...OPTIONAL };
  const files = new IdentityFiles(paths, false, new ManualClock());
  const { code, message } = await fault(files);
  expect([code, message]).toEqual([
    "configInvalid",
    `Cannot use certificate ${paths.certFile} with key ${paths.keyFile}: ` +
    "one is missing",
  ]);
});

test("changed() hears of a pair that comes, and not of half of it", async () => {
  await using pki = await makeDevPki();
  await using folder = await makeFolder();
  const clock = new ManualClock();
  const paths = { ...folder.paths, ...OPTIONAL };
  const files = new IdentityFiles(paths, false, clock);
  await files.read();
  const seen = watch(files);
  const computer = await pki.computer("pc-7");
  await copyFile(computer.certFile, paths.certFile);
  await turns(clock);
  expect(seen.changed).toBe(false);
  await copyFile(computer.keyFile, paths.keyFile);
  await untilChanged(seen, clock);
  expect((await files.read()).cert).toBe(computer.certPem);
});

test("changed() does not hear of files written anew with what they held", async () => {
  await using pki = await makeDevPki();
  await using folder = await makeFolder();
  const computer = await pki.computer("pc-7");
  await folder.enrol(computer);
  const clock = new ManualClock();
  const paths = { ...folder.paths, ...OPTIONAL };
  const files = new IdentityFiles(paths, false, clock);
  const first = await files.read();
  const seen = watch(files);
  await rm(paths.caFile);
  await writeFile(paths.caFile, pki.caPem);
  await turns(clock);
  expect(seen.changed).toBe(false);
  expect(await files.read()).toBe(first);
  await folder.enrol(await pki.computer("pc-7"));
  await untilChanged(seen, clock);
});

test("changed() does not hear of a pair that goes: another one will come", async () => {
  await using pki = await makeDevPki();
  await using folder = await makeFolder();
  await folder.enrol(await pki.computer("pc-7"));
  const clock = new ManualClock();
  const paths = { ...folder.paths, ...OPTIONAL };
  const files = new IdentityFiles(paths, false, clock);
  await files.read();
  const seen = watch(files);
  for (const path of [paths.caFile, paths.certFile, paths.keyFile]) {
    await rm(path);
    await turns(clock);
  }
  expect(seen.changed).toBe(false);
  await folder.enrol(await pki.computer("pc-7"));
  await untilChanged(seen, clock);
});

test("changed() hears of a certificate that was read meanwhile", async () => {
  await using pki = await makeDevPki();
  await using folder = await makeFolder();
  await folder.enrol(await pki.computer("pc-7"));
  const clock = new ManualClock();
  const files = new IdentityFiles(folder.paths, false, clock);
  await files.read();
  const seen = watch(files);
  const renewed = await pki.computer("pc-7");
  await folder.enrol(renewed);
  // A tunnel dials with it before anybody has looked.
  expect((await files.read()).cert).toBe(renewed.certPem);
  await untilChanged(seen, clock);
});

test("changed() stops when it is told to", async () => {
  await using folder = await makeFolder();
  const clock = new ManualClock();
  const paths = { ...folder.paths, ...OPTIONAL };
  const files = new IdentityFiles(paths, false, clock);
  await files.read();
  const stop = new AbortController();
  const reason = new Error("Agent is stopping");
  const waiting = files.changed(stop.signal);
  stop.abort(reason);
  expect(await rejection(waiting)).toBe(reason);
  expect(clock.sleeperCount).toBe(0);
});

async function untilChanged(
  seen: { readonly changed: boolean },
  clock: ManualClock,
): Promise<void> {
  for (let patience = 50; !seen.changed && patience > 0; patience--) {
    await turns(clock);
  }
  expect(seen.changed).toBe(true);
}

/** Lets it look; reading files takes real turns of the event loop. */
async function turns(clock: ManualClock): Promise<void> {
  for (let look = 0; look < 20; look++) {
    await clock.advance(LOOK_MS);
    await Bun.file("/dev/null").text();
  }
}
