import { Database } from "bun:sqlite";
import { expect, test } from "bun:test";
import { join } from "node:path";
import { Fault } from "../../src/protocol/fault.ts";
import { openDeviceStore } from "../../src/runtime/sqlite_device_store.ts";
import { runChild } from "../support/child.ts";
import { makeTemporaryDir } from "../support/temporary_dir.ts";

const PROGRAM = join(import.meta.dir, "device_store_program.ts");
const CLAIM = { deviceId: 7, name: "aula", nowMs: 1 };
const ID_COUNT = 300;

test("a release by another process is seen at the next claim", async () => {
  await using dir = await makeTemporaryDir();
  using store = openDeviceStore(dir.path);
  store.claim({ ...CLAIM, subject: "CN=ana" });
  expect(store.claim({ ...CLAIM, subject: "CN=eva" }))
    .toEqual({ tag: "taken", subject: "CN=ana" });
  const release = [process.execPath, PROGRAM, dir.path, "release", "7"];
  expect(await runChild(release)).toEqual({
    ...{ status: 0, stdout: "true\n", stderr: "" },
  });
  expect(store.find(7)).toBeUndefined();
  expect(store.claim({ ...CLAIM, subject: "CN=eva" })).toEqual({
    tag: "first",
  });
  expect((await runChild(release)).stdout).toBe("true\n");
  expect((await runChild(release)).stdout).toBe("false\n");
}, 20_000);

/** Starts a process that claims all ids once it is told to. */
async function startClaims(dir: string, subject: string) {
  const child = Bun.spawn(
    [process.execPath, PROGRAM, dir, "claim", subject, String(ID_COUNT)],
    { stdin: "pipe", stdout: "pipe", stderr: "inherit" },
  );
  const reader = child.stdout.pipeThrough(new TextDecoderStream()).getReader();
  expect((await reader.read()).value).toBe("ready\n");
  return async (): Promise<number[]> => {
    child.stdin.write("go");
    await child.stdin.end();
    let text = "";
    for (;;) {
      const { done, value } = await reader.read();
      if (done) break;
      text += value;
    }
    expect(await child.exited).toBe(0);
    return JSON.parse(text);
  };
}

test(
  "two processes that claim the same ids at once share them out, each once",
  async () => {
    await using dir = await makeTemporaryDir();
    using store = openDeviceStore(dir.path);
    const claims = await Promise.all([
      startClaims(dir.path, "CN=ana"),
      startClaims(dir.path, "CN=eva"),
    ]);
    const [ana = [], eva = []] = await Promise.all(claims.map((go) => go()));
    const all = Array.from({ length: ID_COUNT }, (_, at) => at + 1);
    expect([...ana, ...eva].sort((a, b) => a - b)).toEqual(all);
    const owners = store.list({ limit: ID_COUNT, after: 0 })
      .map(({ deviceId, subject }) => [deviceId, subject]);
    expect(owners).toEqual(
      all.map((id) => [id, ana.includes(id) ? "CN=ana" : "CN=eva"]),
    );
  },
  20_000,
);

test(
  "a store that another process keeps locked says so, and is not waited for in vain",
  async () => {
    await using dir = await makeTemporaryDir();
    using store = openDeviceStore(dir.path);
    using other = new Database(join(dir.path, "devices.sqlite"));
    other.run("BEGIN IMMEDIATE");
    const startMs = performance.now();
    let stuck: unknown;
    try {
      store.claim({ ...CLAIM, subject: "CN=ana" });
    } catch (error) {
      stuck = error;
    }
    const ms = performance.now() - startMs;
    expect(stuck).toBeInstanceOf(Fault);
    const { code, message, hint } = stuck as Fault;
    expect({ code, message, hint }).toEqual({
      code: "internal",
      message: `Cannot write device store ${dir.path}/devices.sqlite: ` +
        "another process keeps it locked",
      hint: "End that process",
    });
    expect(ms).toBeGreaterThan(1_900);
    expect(ms).toBeLessThan(4_000);
    // Who only reads is not kept waiting.
    expect(store.find(7)).toBeUndefined();
    other.run("ROLLBACK");
    expect(store.claim({ ...CLAIM, subject: "CN=ana" })).toEqual({
      tag: "first",
    });
  },
  20_000,
);
