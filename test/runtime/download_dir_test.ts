import { expect, test } from "bun:test";
import { mkdir, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { DownloadDir } from "../../src/runtime/download_dir.ts";
import { makeTemporaryDir } from "../support/temporary_dir.ts";

const SIZE_BYTES = 1_000_003;

test("DownloadDir streams a file whole, and closes it", async () => {
  await using dir = await makeTemporaryDir();
  const bytes = crypto.getRandomValues(new Uint8Array(65_536));
  const whole = Buffer.alloc(SIZE_BYTES, bytes);
  await writeFile(join(dir.path, "big"), whole);
  const file = await new DownloadDir(dir.path).open("big");
  const body = await new Response(file?.body).bytes();
  expect([file?.bytes, Buffer.compare(body, whole)]).toEqual([SIZE_BYTES, 0]);
  await file?.closed;
});

test("DownloadDir closes a file that nobody reads to its end", async () => {
  await using dir = await makeTemporaryDir();
  await writeFile(join(dir.path, "big"), Buffer.alloc(SIZE_BYTES));
  const file = await new DownloadDir(dir.path).open("big");
  const reader = file?.body.getReader();
  expect((await reader?.read())?.value?.length).toBe(65_536);
  await reader?.cancel();
  await file?.closed;
});

test("DownloadDir streams an empty file", async () => {
  await using dir = await makeTemporaryDir();
  await writeFile(join(dir.path, "empty"), "");
  const file = await new DownloadDir(dir.path).open("empty");
  expect([file?.bytes, await new Response(file?.body).text()]).toEqual([0, ""]);
});

test("DownloadDir has no directories, links or absent files", async () => {
  await using dir = await makeTemporaryDir();
  await mkdir(join(dir.path, "dir"));
  await symlink("/etc/passwd", join(dir.path, "link"));
  const downloads = new DownloadDir(dir.path);
  for (const name of ["dir", "link", "absent"]) {
    expect([name, await downloads.open(name)]).toEqual([name, undefined]);
    expect([name, await downloads.readText(name)]).toEqual([name, undefined]);
  }
});

test("DownloadDir reads a small text whole, and a large one not", async () => {
  await using dir = await makeTemporaryDir();
  await writeFile(join(dir.path, "small"), "text");
  await writeFile(join(dir.path, "large"), Buffer.alloc(1024 * 1024 + 1));
  const downloads = new DownloadDir(dir.path);
  expect([await downloads.readText("small"), await downloads.readText("large")])
    .toEqual(["text", undefined]);
});
