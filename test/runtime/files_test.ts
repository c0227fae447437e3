import { expect, test } from "bun:test";
import {
  chmod,
  mkdir,
  open,
  readdir,
  readFile,
  stat,
  symlink,
  writeFile,
} from "node:fs/promises";
import { join } from "node:path";
import {
  createFile,
  errorCode,
  FILE_MAX_BYTES,
  fileFault,
  readBytes,
  readText,
  writeFileAtomically,
} from "../../src/runtime/files.ts";
import { rejection } from "../support/rejection.ts";
import { makeTemporaryDir } from "../support/temporary_dir.ts";
import { testUnless } from "../support/test_unless.ts";

const AS_ROOT = process.getuid?.() === 0
  ? "this user is root, who may read everything"
  : undefined;

async function modeOf(path: string): Promise<number> {
  return (await stat(path)).mode & 0o777;
}

test("createFile() writes a file with its mode, whatever the umask", async () => {
  await using dir = await makeTemporaryDir();
  const file = join(dir.path, "a");
  const umask = process.umask(0o077);
  try {
    await createFile(file, "text", 0o644);
  } finally {
    process.umask(umask);
  }
  expect([await readFile(file, "utf8"), await modeOf(file)])
    .toEqual(["text", 0o644]);
});

test("createFile() leaves alone what exists, links that lead nowhere too", async () => {
  await using dir = await makeTemporaryDir();
  const [file, link] = [join(dir.path, "a"), join(dir.path, "b")];
  await writeFile(file, "old");
  await symlink(join(dir.path, "target"), link);
  for (const path of [file, link]) {
    expect(await rejection(createFile(path, "new", 0o600))).toMatchObject({
      code: "configInvalid",
      message: `Cannot create file ${path}: it exists already`,
      hint: "Choose another path, or move it away first",
    });
  }
  expect(await readFile(file, "utf8")).toBe("old");
  expect((await readdir(dir.path)).sort()).toEqual(["a", "b"]);
});

test("createFile() leaves nothing if it cannot write it whole", async () => {
  await using dir = await makeTemporaryDir();
  const file = join(dir.path, "a");
  const content = { toString: () => "not what a file takes" };
  await rejection(createFile(file, content as unknown as string, 0o600));
  expect(await readdir(dir.path)).toEqual([]);
});

test("writeFileAtomically() replaces a file and its mode", async () => {
  await using dir = await makeTemporaryDir();
  const file = join(dir.path, "a");
  await writeFile(file, "old and longer", { mode: 0o644 });
  await using reader = await open(file);
  await writeFileAtomically(file, Uint8Array.of(110), 0o600);
  expect([await readFile(file, "utf8"), await modeOf(file)])
    .toEqual(["n", 0o600]);
  // Who has it open sees the old file to its end.
  expect(await reader.readFile("utf8")).toBe("old and longer");
  expect(await readdir(dir.path)).toEqual(["a"]);
});

test("writeFileAtomically() keeps what was there if it fails", async () => {
  await using dir = await makeTemporaryDir();
  const target = join(dir.path, "a");
  await mkdir(join(target, "b"), { recursive: true });
  expect(await rejection(writeFileAtomically(target, "x", 0o600)))
    .toMatchObject({ code: "configInvalid" });
  expect(await readdir(dir.path)).toEqual(["a"]);
  expect(await readdir(target)).toEqual(["b"]);
  const nowhere = join(dir.path, "missing", "a");
  expect(await rejection(writeFileAtomically(nowhere, "x", 0o600)))
    .toMatchObject({ code: "configInvalid", hint: "Check the path" });
});

test("readText() reads UTF-8, without its byte order mark", async () => {
  await using dir = await makeTemporaryDir();
  const file = join(dir.path, "a");
  await writeFile(file, "\ufeffé");
  expect(await readText(file, "CA certificate")).toBe("é");
});

test("readText() says which file cannot be read, and why", async () => {
  await using dir = await makeTemporaryDir();
  const [missing, bytes, big] = ["missing", "bytes", "big"]
    .map((name) => join(dir.path, name));
  await writeFile(bytes ?? "", Uint8Array.of(0xc3));
  const sparse = await open(big ?? "", "w");
  await sparse.truncate(FILE_MAX_BYTES + 1);
  await sparse.close();
  const paths = [missing, dir.path, bytes, big, join(bytes ?? "", "x")];
  const messages = [];
  for (const path of paths) {
    const fault = await rejection(readText(path ?? "", "CA certificate"));
    expect(fault).toMatchObject({
      code: "configInvalid",
      hint: expect.any(String),
    });
    messages.push(String(fault));
  }
  const cannot = "Fault: Cannot read CA certificate";
  expect(messages).toEqual([
    `${cannot} ${missing}: there is no such file`,
    `${cannot}: ${dir.path} is no regular file`,
    `${cannot}: ${bytes} is no UTF-8 text`,
    `${cannot}: ${big} is larger than ${FILE_MAX_BYTES} bytes`,
    `${cannot} ${join(bytes ?? "", "x")}: a part of its path is no directory`,
  ]);
});

test("readBytes() does not wait for a pipe or drink from a device", async () => {
  await using dir = await makeTemporaryDir();
  const pipe = join(dir.path, "pipe");
  Bun.spawnSync(["mkfifo", pipe]);
  for (const path of [pipe, "/dev/zero"]) {
    expect(String(await rejection(readBytes(path, "key"))))
      .toBe(`Fault: Cannot read key: ${path} is no regular file`);
  }
});

testUnless(AS_ROOT)(
  "readText() says that the user may not",
  async () => {
    await using dir = await makeTemporaryDir();
    const file = join(dir.path, "a");
    await writeFile(file, "x");
    await chmod(file, 0o000);
    expect(await rejection(readText(file, "key"))).toMatchObject({
      code: "configInvalid",
      message: `Cannot read key ${file}: this user may not`,
    });
  },
);

test("fileFault() names the code of an error that it has no words for", () => {
  const error = Object.assign(new Error("odd"), { code: "EODD" });
  expect([fileFault("list", "/a", error), errorCode(error)]).toMatchObject([
    {
      code: "configInvalid",
      message: "Cannot list /a: the system says EODD",
      hint: "Check the path and the disk",
      cause: error,
    },
    "EODD",
  ]);
  const denied = Object.assign(new Error("no"), { code: "EACCES" });
  expect(fileFault("read key", "/a", denied)).toMatchObject({
    message: "Cannot read key /a: this user may not",
    hint: "Run as the user who owns it, or give this user the right",
  });
  expect([errorCode("text"), errorCode({ code: "EODD" }), errorCode(undefined)])
    .toEqual([undefined, undefined, undefined]);
});
