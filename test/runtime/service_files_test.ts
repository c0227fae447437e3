import { expect, test } from "bun:test";
import { readdir, readFile, stat, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { serviceFiles } from "../../src/runtime/service_files.ts";
import { rejection } from "../support/rejection.ts";
import { makeTemporaryDir } from "../support/temporary_dir.ts";

const MODE_BITS = 0o777;

test("serviceFiles write what is new or differs, with its mode, and say so", async () => {
  await using dir = await makeTemporaryDir();
  const path = join(dir.path, "a/b/unit");
  expect(await serviceFiles.write(path, "one", 0o644)).toBe(true);
  expect(await serviceFiles.write(path, "one", 0o644)).toBe(false);
  expect(await serviceFiles.write(path, "two", 0o640)).toBe(true);
  expect(await readFile(path, "utf8")).toBe("two");
  expect((await stat(path)).mode & MODE_BITS).toBe(0o640);
  expect(await readdir(join(dir.path, "a/b"))).toEqual(["unit"]);
});

test("serviceFiles remove a directory with all that is in it, and follow no link", async () => {
  await using dir = await makeTemporaryDir();
  await using other = await makeTemporaryDir();
  await writeFile(join(other.path, "kept"), "");
  const path = join(dir.path, "state");
  await serviceFiles.write(join(path, "deep/er/file"), "", 0o600);
  await symlink(other.path, join(path, "link"));
  await symlink(join(dir.path, "nowhere"), join(path, "deep/dangling"));
  expect(await serviceFiles.remove(path)).toBe(true);
  expect(await serviceFiles.remove(path)).toBe(false);
  expect(await readdir(dir.path)).toEqual([]);
  expect(await readdir(other.path)).toEqual(["kept"]);
});

test("serviceFiles leave a directory that is there as it is", async () => {
  await using dir = await makeTemporaryDir();
  const path = join(dir.path, "state");
  await serviceFiles.makeDirectory(path, 0o750);
  expect((await stat(path)).mode & MODE_BITS).toBe(0o750);
  await serviceFiles.makeDirectory(path, 0o700);
  expect((await stat(path)).mode & MODE_BITS).toBe(0o750);
  expect(await serviceFiles.exists(path)).toBe(true);
  expect(await serviceFiles.exists(join(path, "nothing"))).toBe(false);
});

test("serviceFiles say what is in their way", async () => {
  await using dir = await makeTemporaryDir();
  const path = join(dir.path, "file");
  await writeFile(path, "");
  const write = serviceFiles.write(join(path, "unit"), "", 0o644);
  expect(await rejection(write)).toMatchObject({ code: "configInvalid" });
});
