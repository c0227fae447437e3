import { expect, test } from "bun:test";
import {
  closeSync,
  fstatSync,
  readdirSync,
  readFileSync,
  writeSync,
} from "node:fs";
import { openPipes } from "../../src/runtime/open_pipes.ts";
import { makeTemporaryDir } from "../support/temporary_dir.ts";
import { notLinux, testUnless } from "../support/test_unless.ts";

const PATH = "/usr/bin:/bin";

testUnless(notLinux())(
  "openPipes() opens pipes that nobody else can name, and leaves nothing behind",
  async () => {
    await using dir = await makeTemporaryDir();
    const was = process.env["TMPDIR"];
    process.env["TMPDIR"] = dir.path;
    const pipes = openPipes(2, PATH) ?? [];
    if (was === undefined) delete process.env["TMPDIR"];
    else process.env["TMPDIR"] = was;
    expect(pipes.length).toBe(2);
    expect(readdirSync(dir.path)).toEqual([]);
    for (const [index, { readFd, writeFd }] of pipes.entries()) {
      expect(fstatSync(readFd).isFIFO()).toBeTrue();
      writeSync(writeFd, `pipe ${index}`);
      closeSync(writeFd);
      expect(readFileSync(readFd, "utf8")).toBe(`pipe ${index}`);
      closeSync(readFd);
    }
  },
);

test("openPipes() opens none where there is no mkfifo", async () => {
  await using dir = await makeTemporaryDir();
  expect(openPipes(2, dir.path)).toBeUndefined();
});
