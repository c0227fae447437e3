import { expect, test } from "bun:test";
import { rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { ProcFiles } from "../../src/runtime/proc_files.ts";
import { makeTemporaryDir } from "../support/temporary_dir.ts";

test("ProcFiles says whether any of the files has changed", async () => {
  await using dir = await makeTemporaryDir("proc");
  const paths = ["a", "b"].map((name) => join(dir.path, name));
  const [first = "", second = ""] = paths;
  const files = new ProcFiles(paths);
  const found = [files.areSame()]; // Nobody can tell.
  await writeFile(first, "one");
  found.push(files.areSame(), files.areSame());
  await writeFile(second, "two");
  found.push(files.areSame(), files.areSame());
  await writeFile(first, "One");
  found.push(files.areSame(), files.areSame());
  await rm(second);
  found.push(files.areSame(), files.areSame());
  await rm(first);
  found.push(files.areSame(), files.areSame());
  expect(found).toEqual([
    false,
    ...[false, true],
    ...[false, true],
    ...[false, true],
    ...[false, true],
    ...[false, false],
  ]);
});

test("ProcFiles knows nothing of what is too long to compare", async () => {
  await using dir = await makeTemporaryDir("proc");
  const path = join(dir.path, "long");
  const files = new ProcFiles([path]);
  await writeFile(path, "x".repeat(8 * 1024 - 1));
  expect([files.areSame(), files.areSame()]).toEqual([false, true]);
  await writeFile(path, "x".repeat(8 * 1024));
  expect([files.areSame(), files.areSame()]).toEqual([false, false]);
});
