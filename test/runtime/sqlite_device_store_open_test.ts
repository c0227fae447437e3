import { Database } from "bun:sqlite";
import { expect, test } from "bun:test";
import {
  chmodSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { Fault } from "../../src/protocol/fault.ts";
import { openDeviceStore } from "../../src/runtime/sqlite_device_store.ts";
import { makeTemporaryDir } from "../support/temporary_dir.ts";
import { testUnless } from "../support/test_unless.ts";

/** What SQLite writes at once, unless it is told otherwise. */
const PAGE_BYTES = 4_096;

const CLAIM = { name: "aula", subject: "CN=ana", nowMs: 1 };

/** Root may write everywhere. */
const ROOT = process.getuid?.() === 0 ? "root is refused nothing" : undefined;

/** What opening answers, `undefined` if it opens. */
function refusal(dir: string, options = {}) {
  try {
    using _store = openDeviceStore(dir, options);
  } catch (error) {
    if (!(error instanceof Fault)) throw error;
    return { code: error.code, message: error.message, hint: error.hint };
  }
  return undefined;
}

function modeOf(path: string): string {
  return (statSync(path).mode & 0o777).toString(8);
}

test("openDeviceStore() makes directory and files for this user only", async () => {
  await using dir = await makeTemporaryDir();
  const stateDir = join(dir.path, "var", "gateway");
  using store = openDeviceStore(stateDir);
  store.claim({ ...CLAIM, deviceId: 7 });
  expect(modeOf(stateDir)).toBe("700");
  const modes = readdirSync(stateDir).sort()
    .map((name) => [name, modeOf(join(stateDir, name))]);
  expect(modes).toEqual([
    ["devices.sqlite", "600"],
    ["devices.sqlite-shm", "600"],
    ["devices.sqlite-wal", "600"],
  ]);
});

test("openDeviceStore() leaves a directory that is there as it is", async () => {
  await using dir = await makeTemporaryDir();
  chmodSync(dir.path, 0o750);
  using _store = openDeviceStore(dir.path);
  expect(modeOf(dir.path)).toBe("750");
});

test("openDeviceStore() makes no store where one must be", async () => {
  await using dir = await makeTemporaryDir();
  const path = join(dir.path, "devices.sqlite");
  expect(refusal(dir.path, { create: false })).toEqual({
    code: "configInvalid",
    message: `Cannot open device store ${path}: it cannot be opened`,
    hint: "Check who owns it and its folder",
  });
  expect(readdirSync(dir.path)).toEqual([]);
  expect(refusal(dir.path)).toBeUndefined();
  expect(refusal(dir.path, { create: false })).toBeUndefined();
});

test("openDeviceStore() refuses a file that is no database, and leaves it", async () => {
  await using dir = await makeTemporaryDir();
  const path = join(dir.path, "devices.sqlite");
  const text = "This is a letter to somebody. ".repeat(100);
  writeFileSync(path, text);
  expect(refusal(dir.path)).toEqual({
    code: "configInvalid",
    message: `Cannot open device store ${path}: it is no database`,
    hint: "Name another directory, or move it",
  });
  expect(readFileSync(path, "utf8")).toBe(text);
});

/** A store of 500 devices, closed: all is in the one file. */
function fill(dir: string): string {
  using store = openDeviceStore(dir);
  for (let deviceId = 1; deviceId <= 500; deviceId++) {
    store.claim({ ...CLAIM, deviceId });
  }
  return join(dir, "devices.sqlite");
}

function damagedStore(path: string) {
  return {
    code: "configInvalid" as const,
    message: `Cannot open device store ${path}: it is damaged`,
    hint: "Restore it from a backup, or move it away and let it be made anew",
  };
}

test("openDeviceStore() refuses a store of which a part was overwritten", async () => {
  await using dir = await makeTemporaryDir();
  const path = fill(dir.path);
  const bytes = readFileSync(path);
  const pageCount = bytes.length / PAGE_BYTES;
  expect(pageCount).toBeGreaterThan(8);
  for (const page of [1, pageCount - 1]) {
    const changed = Buffer.from(bytes);
    changed.fill(0xa5, page * PAGE_BYTES, (page + 1) * PAGE_BYTES);
    writeFileSync(path, changed);
    expect(refusal(dir.path)).toEqual(damagedStore(path));
  }
});

test("openDeviceStore() refuses a store that was cut short", async () => {
  await using dir = await makeTemporaryDir();
  const path = fill(dir.path);
  truncateSync(path, 3 * PAGE_BYTES);
  expect(refusal(dir.path)).toEqual(damagedStore(path));
});

test("openDeviceStore() refuses a store that a newer version wrote", async () => {
  await using dir = await makeTemporaryDir();
  const path = fill(dir.path);
  {
    using database = new Database(path);
    database.run("UPDATE schema_version SET version = 2");
  }
  expect(refusal(dir.path)).toEqual({
    code: "configInvalid",
    message: `Cannot open device store ${path}: it is of version 2, ` +
      "this program knows 1",
    hint: "Run the version of migasfree-agent that wrote it",
  });
});

test("openDeviceStore() refuses a directory that cannot be made", async () => {
  await using dir = await makeTemporaryDir();
  writeFileSync(join(dir.path, "file"), "");
  const stateDir = join(dir.path, "file", "state");
  expect(refusal(stateDir)).toEqual({
    code: "configInvalid",
    message: `Cannot create device store ${stateDir}/devices.sqlite: ` +
      "a part of its path is no directory",
    hint: "Check the path",
  });
});

test("openDeviceStore() refuses a directory in the place of the file", async () => {
  await using dir = await makeTemporaryDir();
  const path = join(dir.path, "devices.sqlite");
  mkdirSync(path);
  expect(refusal(dir.path)).toEqual({
    code: "configInvalid",
    message: `Cannot open device store ${path}: it cannot be opened`,
    hint: "Check who owns it and its folder",
  });
});

testUnless(ROOT)(
  "openDeviceStore() refuses what this user may not write",
  async () => {
    await using dir = await makeTemporaryDir();
    const path = fill(dir.path);
    chmodSync(path, 0o400);
    expect(refusal(dir.path)).toEqual({
      code: "configInvalid",
      message: `Cannot open device store ${path}: this user may not write it`,
      hint: "Check who owns it and its folder, and that the disk is writable",
    });
    chmodSync(dir.path, 0o500);
    const other = join(dir.path, "other");
    expect(refusal(other)?.message).toBe(
      `Cannot create device store ${other}/devices.sqlite: this user may not`,
    );
    chmodSync(dir.path, 0o700);
  },
);
