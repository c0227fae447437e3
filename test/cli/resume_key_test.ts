import { expect, test } from "bun:test";
import {
  chmod,
  mkdir,
  readdir,
  readFile,
  stat,
  writeFile,
} from "node:fs/promises";
import { join } from "node:path";
import { openResumeKey, saveResumeKey } from "../../src/cli/resume_key.ts";
import {
  type ResumeClaims,
  ResumeTokens,
} from "../../src/protocol/resume_token.ts";
import { rejection } from "../support/rejection.ts";
import { makeTemporaryDir } from "../support/temporary_dir.ts";

const PROGRAM = join(import.meta.dir, "resume_key_program.ts");

async function openTokens(dir: string): Promise<ResumeTokens> {
  return await ResumeTokens.create(await openResumeKey(dir));
}

const CLAIMS: ResumeClaims = {
  tunnel: "0123456789abcdef0123456789abcdef",
  role: "operator",
  subject: "/O=mf.test/OU=ADMINS/CN=ana",
  device: 7,
  service: "ssh",
  operator: "ana",
  "operator_subject": "/O=mf.test/OU=ADMINS/CN=ana",
};

test("openResumeKey() makes a key once, that only its owner may read, and takes it again", async () => {
  await using dir = await makeTemporaryDir();
  const first = await openTokens(dir.path);
  const path = join(dir.path, "resume.key");
  const key = await readFile(path);
  expect([key.byteLength, (await stat(path)).mode & 0o777])
    .toEqual([32, 0o600]);
  const second = await openTokens(dir.path);
  expect(await readFile(path)).toEqual(key);
  expect(await readdir(dir.path)).toEqual(["resume.key"]);
  expect(await second.read(await first.issue(CLAIMS))).toEqual(CLAIMS);
});

test("openResumeKey() makes another key for another gateway", async () => {
  await using dir = await makeTemporaryDir();
  await using other = await makeTemporaryDir();
  const ours = await openTokens(dir.path);
  const theirs = await openTokens(other.path);
  expect(await rejection(theirs.read(await ours.issue(CLAIMS))))
    .toMatchObject({ code: "ticketInvalid" });
});

for (const size of [0, 31, 33]) {
  test(`openResumeKey() refuses a key of ${size} bytes, and leaves it`, async () => {
    await using dir = await makeTemporaryDir();
    const path = join(dir.path, "resume.key");
    await writeFile(path, new Uint8Array(size));
    expect(await rejection(openTokens(dir.path))).toMatchObject({
      code: "configInvalid",
      message: `Cannot use resume key ${path}: wrong size`,
    });
    expect((await stat(path)).size).toBe(size);
  });
}

test("openResumeKey() refuses a state directory that is not there, or a key that is no file", async () => {
  await using dir = await makeTemporaryDir();
  const missing = join(dir.path, "missing");
  expect(await rejection(openTokens(missing)))
    .toMatchObject({ code: "configInvalid" });
  await mkdir(join(dir.path, "resume.key"));
  expect(await rejection(openTokens(dir.path))).toMatchObject({
    code: "configInvalid",
    message: expect.stringContaining("is no regular file"),
  });
});

test("openResumeKey() takes a key from a directory that nobody may write to", async () => {
  await using dir = await makeTemporaryDir();
  const first = await openTokens(dir.path);
  await chmod(dir.path, 0o500);
  const second = await openTokens(dir.path);
  await chmod(dir.path, 0o700);
  expect(await second.read(await first.issue(CLAIMS))).toEqual(CLAIMS);
});

test("openResumeKey() gives one key to all that open it at once", async () => {
  for (let round = 0; round < 20; round++) {
    await using dir = await makeTemporaryDir();
    const all = await Promise.all(
      Array.from({ length: 8 }, () => openTokens(dir.path)),
    );
    const tokens = await Promise.all(all.map((one) => one.issue(CLAIMS)));
    expect(new Set(tokens).size).toBe(1);
    expect(await readdir(dir.path)).toEqual(["resume.key"]);
  }
});

test("openResumeKey() gives one key to two processes at once", async () => {
  await using dir = await makeTemporaryDir();
  const outputs = await Promise.all([1, 2].map(async () => {
    const child = Bun.spawn([process.execPath, PROGRAM, dir.path], {
      stdout: "pipe",
      stderr: "inherit",
    });
    return await new Response(child.stdout).text();
  }));
  const [first = "", second] = outputs;
  expect(first).toMatch(/^[\w-]+\.[\w-]+\n$/);
  expect(second).toBe(first);
});

test("saveResumeKey() puts another key in the place of ours, for its owner only", async () => {
  await using dir = await makeTemporaryDir();
  await openResumeKey(dir.path);
  const site = crypto.getRandomValues(new Uint8Array(32));
  await saveResumeKey(dir.path, site);
  expect(await openResumeKey(dir.path)).toEqual(site);
  const { mode } = await stat(join(dir.path, "resume.key"));
  expect([mode & 0o777, await readdir(dir.path)])
    .toEqual([0o600, ["resume.key"]]);
});
