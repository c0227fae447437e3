import { expect, test } from "bun:test";
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { LogFile } from "../../src/runtime/log_file.ts";
import { makeTemporaryDir } from "../support/temporary_dir.ts";

test("LogFile keeps the last lines in files of so many bytes", async () => {
  await using dir = await makeTemporaryDir();
  const path = join(dir.path, "log/agent.log");
  using file = new LogFile(path, 12);
  for (let count = 1; count <= 11; count++) file.write(`line ${count % 10}`);
  const names = (await readdir(join(dir.path, "log"))).sort();
  expect(names).toEqual([
    "agent.log",
    "agent.log.1",
    "agent.log.2",
    "agent.log.3",
  ]);
  const texts = await Promise.all(
    names.map((name) => readFile(join(dir.path, "log", name), "utf8")),
  );
  expect(texts).toEqual(["line 1\n", "line 0\n", "line 9\n", "line 8\n"]);
});

test("LogFile goes on where another process has stopped", async () => {
  await using dir = await makeTemporaryDir();
  const path = join(dir.path, "agent.log");
  {
    using first = new LogFile(path, 20);
    first.write("one");
  }
  using second = new LogFile(path, 20);
  second.write("two");
  expect(await readFile(path, "utf8")).toBe("one\ntwo\n");
  second.write("a line of 20 bytes!");
  expect(await readFile(`${path}.1`, "utf8")).toBe("one\ntwo\n");
});

test("LogFile says why a log cannot be written", async () => {
  await using dir = await makeTemporaryDir();
  expect(() => new LogFile(dir.path)).toThrow(
    expect.objectContaining({ code: "configInvalid" }),
  );
});
