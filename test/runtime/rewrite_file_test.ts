import { expect, test } from "bun:test";
import {
  chmod,
  chown,
  lstat,
  readdir,
  readFile,
  stat,
  symlink,
  writeFile,
} from "node:fs/promises";
import { join } from "node:path";
import { rewriteFile } from "../../src/runtime/rewrite_file.ts";
import { rejection } from "../support/rejection.ts";
import { makeTemporaryDir } from "../support/temporary_dir.ts";
import { testUnless } from "../support/test_unless.ts";

const NO_ROOT = process.getuid?.() === 0
  ? undefined
  : "only root can give files away";
/** Somebody who is not root: it need be nobody's number. */
const OWNER_UID = 12_345;
const GROUP_GID = 12_346;

async function factsOf(path: string) {
  const { gid, mode, uid } = await stat(path);
  return { uid, gid, mode: (mode & 0o777).toString(8) };
}

for (const mode of ["640", "600", "664"]) {
  testUnless(NO_ROOT)(
    `rewriteFile() keeps owner, group and mode ${mode}, whatever the umask`,
    async () => {
      await using dir = await makeTemporaryDir();
      const file = join(dir.path, "a");
      await writeFile(file, "old");
      await chown(file, OWNER_UID, GROUP_GID);
      await chmod(file, Number.parseInt(mode, 8));
      const umask = process.umask(0o077);
      try {
        await rewriteFile(file, "new");
      } finally {
        process.umask(umask);
      }
      expect(await readFile(file, "utf8")).toBe("new");
      expect(await factsOf(file))
        .toEqual({ uid: OWNER_UID, gid: GROUP_GID, mode });
      expect(await readdir(dir.path)).toEqual(["a"]);
    },
  );
}

test("rewriteFile() writes what a link leads to, and keeps the link", async () => {
  await using dir = await makeTemporaryDir();
  const [file, link] = [join(dir.path, "a"), join(dir.path, "b")];
  await writeFile(file, "old");
  await symlink("a", link);
  await rewriteFile(link, "new");
  expect(await readFile(file, "utf8")).toBe("new");
  expect((await lstat(link)).isSymbolicLink()).toBe(true);
});

test("rewriteFile() does not make what is not there", async () => {
  await using dir = await makeTemporaryDir();
  const file = join(dir.path, "a");
  expect(await rejection(rewriteFile(file, "new"))).toMatchObject({
    code: "configInvalid",
    message: `Cannot write file ${file}: there is no such file`,
  });
  expect(await readdir(dir.path)).toEqual([]);
});
