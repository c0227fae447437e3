import { expect } from "bun:test";
import { chmod, chown, mkdir, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { Fault } from "../../src/protocol/fault.ts";
import { requireOwn } from "../../src/runtime/root_owned.ts";
import { makeTemporaryDir } from "../support/temporary_dir.ts";
import { notLinux, testUnless } from "../support/test_unless.ts";

const testHere = testUnless(notLinux());
const testAsRoot = testUnless(
  notLinux() ?? (process.getuid?.() === 0 ? undefined : "only root may chown"),
);

function isBelieved(path: string): boolean {
  try {
    requireOwn(path);
    return true;
  } catch (error) {
    if (Fault.from(error).code === "configInvalid") return false;
    throw error;
  }
}

testHere("requireOwn() believes what only we can have written", async () => {
  await using dir = await makeTemporaryDir();
  const path = join(dir.path, "agent.toml");
  await writeFile(path, "", { mode: 0o640 });
  expect(isBelieved(path)).toBe(true);
  expect(isBelieved(join(dir.path, "absent.toml"))).toBe(true);
});

testHere("requireOwn() does not believe what others may write", async () => {
  await using dir = await makeTemporaryDir();
  const path = join(dir.path, "agent.toml");
  await writeFile(path, "");
  for (const mode of [0o666, 0o660, 0o606, 0o642]) {
    await chmod(path, mode);
    expect([mode, isBelieved(path)]).toEqual([mode, false]);
  }
});

testHere(
  "requireOwn() does not believe what lies where others may write",
  async () => {
    await using dir = await makeTemporaryDir();
    await mkdir(join(dir.path, "etc/deep"), { recursive: true });
    const path = join(dir.path, "etc/deep/agent.toml");
    await writeFile(path, "", { mode: 0o600 });
    await chmod(join(dir.path, "etc"), 0o777);
    expect(isBelieved(path)).toBe(false);
    // Nobody can replace in there what is another's, as in /tmp.
    await chmod(join(dir.path, "etc"), 0o1777);
    expect(isBelieved(path)).toBe(true);
  },
);

testAsRoot(
  "requireOwn() does not believe what is somebody else's",
  async () => {
    await using dir = await makeTemporaryDir();
    const path = join(dir.path, "agent.toml");
    await writeFile(path, "", { mode: 0o600 });
    await chown(path, 65_534, 65_534);
    expect(isBelieved(path)).toBe(false);
    await symlink("/etc/passwd", join(dir.path, "link"));
    expect(isBelieved(join(dir.path, "link"))).toBe(true);
  },
);
