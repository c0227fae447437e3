import { expect, test } from "bun:test";
import { chmod, readFile, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { readAgentSettings } from "../../src/cli/agent_config.ts";
import { addLines, linesToAdd } from "../../src/cli/enroll_config.ts";
import { Fault } from "../../src/protocol/fault.ts";
import { makeTemporaryDir } from "../support/temporary_dir.ts";

const KEYS = {
  "device_id": 7,
  name: undefined,
  gateway: "wss://gw.test/tunnel",
  "ca_file": "/id/ca.pem",
  "cert_file": "/id/cert.pem",
  "key_file": "/id/key.pem",
};

const LINES = [
  "device_id = 7",
  'gateway = "wss://gw.test/tunnel"',
  'ca_file = "/id/ca.pem"',
  'cert_file = "/id/cert.pem"',
  'key_file = "/id/key.pem"',
  "renew = true",
];

async function makeFile(text?: string) {
  const dir = await makeTemporaryDir();
  const path = join(dir.path, "below", "agent.toml");
  if (text !== undefined) await Bun.write(path, text);
  return {
    path,
    settings: () => readAgentSettings({ config: path }, { mayLackFile: true }),
    [Symbol.asyncDispose]: () => dir[Symbol.asyncDispose](),
  };
}

test("addLines() makes an agent.toml that an agent can read", async () => {
  await using file = await makeFile();
  const lines = linesToAdd(await file.settings(), KEYS);
  expect(lines).toEqual(LINES);
  await addLines(file.path, lines);
  expect((await file.settings()).file).toMatchObject({
    ...{ "device_id": 7, renew: true, "cert_file": "/id/cert.pem" },
  });
  expect(linesToAdd(await file.settings(), KEYS)).toEqual([]);
});

test("addLines() keeps what is there, tables and mode included", async () => {
  const text = '# mine\nname = "aula"\n[services]\nssh = "127.0.0.1:2222"\n';
  await using file = await makeFile(text);
  await chmod(file.path, 0o640);
  await addLines(file.path, linesToAdd(await file.settings(), KEYS));
  expect(await readFile(file.path, "utf8")).toEndWith(`\n\n${text}`);
  expect((await stat(file.path)).mode & 0o777).toBe(0o640);
  expect((await file.settings()).file).toMatchObject({
    ...{ "device_id": 7, name: "aula" },
    services: { ssh: { host: "127.0.0.1", port: 2222 } },
  });
  const before = await readFile(file.path, "utf8");
  await addLines(file.path, linesToAdd(await file.settings(), KEYS));
  expect(await readFile(file.path, "utf8")).toBe(before);
});

test("linesToAdd() takes what is there and says the same, and refuses what does not", async () => {
  await using same = await makeFile(
    'gateway = "wss://gw.test"\ndevice_id = 7\nrenew = false\n',
  );
  expect(linesToAdd(await same.settings(), KEYS)).toEqual(LINES.slice(2, 5));
  for (const line of ["device_id = 8", 'gateway = "wss://other.test"']) {
    await using other = await makeFile(`${line}\n`);
    let fault: Fault | undefined;
    try {
      linesToAdd(await other.settings(), KEYS);
    } catch (error) {
      fault = Fault.from(error);
    }
    const [key = ""] = line.split(" ");
    expect([fault?.code, fault?.message]).toEqual([
      "configInvalid",
      `Cannot enrol: ${other.path} has another ${key}`,
    ]);
  }
  await writeFile(same.path, "");
  expect(linesToAdd(await same.settings(), { ...KEYS, name: "ñ\u007f" }))
    .toContain('name = "ñ\\u007f"');
});
