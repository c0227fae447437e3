import { expect } from "bun:test";
import { chmod, readdir, rm, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { parseHandedFacts } from "../../src/agent/handed_identity.ts";
import { HandedConfig } from "../../src/cli/handed_config.ts";
import { runHandIdentity } from "../../src/cli/hand_identity_command.ts";
import { readAgentSettings } from "../../src/cli/agent_config.ts";
import { Fault } from "../../src/protocol/fault.ts";
import { ManualClock, settle } from "../support/manual_clock.ts";
import { rejection } from "../support/rejection.ts";
import { makeTemporaryDir } from "../support/temporary_dir.ts";
import { notLinux, testUnless } from "../support/test_unless.ts";

const testHere = testUnless(notLinux());
const PEM = "-----BEGIN THING-----\n";

/** A computer whose configuration and files are root's, and a place for both. */
async function makeComputer() {
  const dir = await makeTemporaryDir();
  const config = join(dir.path, "agent.toml");
  const handed = join(dir.path, "handed");
  await Bun.write(join(handed, "x"), "");
  await rm(join(handed, "x"));
  await chmod(handed, 0o750);
  for (const name of ["ca", "cert", "key"]) {
    await writeFile(join(dir.path, `${name}.pem`), `${PEM}${name}`, {
      mode: 0o600,
    });
  }
  await writeFile(
    config,
    `device_id = 7
name = "aula-7"
gateway = "wss://gw.example.org/tunnel"
ca_file = "ca.pem"
cert_file = "cert.pem"
key_file = "key.pem"
`,
    { mode: 0o640 },
  );
  const said: string[] = [];
  const output = {
    answer: () => undefined,
    say: (line: string) => void said.push(line),
  };
  return {
    config,
    handed,
    said,
    file: (name: string) => join(dir.path, name),
    copy: (name: string) => join(handed, name),
    hand: () => runHandIdentity(handed, { config }, output),
    settings: () => readAgentSettings({ config }),
    [Symbol.asyncDispose]: () => dir[Symbol.asyncDispose](),
  };
}

testHere(
  "hand-identity copies the files for the group, and says who it is",
  async () => {
    await using computer = await makeComputer();
    expect(await computer.hand()).toBe(0);
    expect((await readdir(computer.handed)).sort())
      .toEqual(["ca.pem", "cert.pem", "facts.json", "key.pem"]);
    for (const name of ["ca.pem", "cert.pem", "key.pem", "facts.json"]) {
      const { mode } = await stat(computer.copy(name));
      expect([name, mode & 0o777]).toEqual([name, 0o640]);
    }
    expect(await Bun.file(computer.copy("key.pem")).text()).toBe(`${PEM}key`);
    const facts = await Bun.file(computer.copy("facts.json")).text();
    expect(parseHandedFacts(facts).device_id).toBe(7);
    expect(computer.said).toEqual(["Handed over the identity of device 7"]);
  },
);

testHere("hand-identity touches nothing that has not changed", async () => {
  await using computer = await makeComputer();
  const stamps = async () =>
    await Promise.all(
      (await readdir(computer.handed)).sort()
        .map(async (name) => (await stat(computer.copy(name))).ino),
    );
  await computer.hand();
  const before = await stamps();
  await computer.hand();
  expect(await stamps()).toEqual(before);
  expect(computer.said).toHaveLength(1);
});

testHere(
  "hand-identity hands over what was renewed, and takes back what is gone",
  async () => {
    await using computer = await makeComputer();
    await computer.hand();
    await writeFile(computer.file("cert.pem"), `${PEM}renewed`);
    await rm(computer.file("ca.pem"));
    await computer.hand();
    expect(await Bun.file(computer.copy("cert.pem")).text())
      .toBe(`${PEM}renewed`);
    expect(await Bun.file(computer.copy("ca.pem")).exists()).toBe(false);
  },
);

testHere("hand-identity copies nothing that is no PEM", async () => {
  await using computer = await makeComputer();
  await writeFile(computer.file("key.pem"), "root:x:0:0\n");
  const fault = Fault.from(await rejection(computer.hand()));
  expect(fault.code).toBe("configInvalid");
  expect(await Bun.file(computer.copy("key.pem")).exists()).toBe(false);
});

testHere("hand-identity has the group read what is root's alone", async () => {
  await using computer = await makeComputer();
  await chmod(computer.config, 0o600);
  await computer.hand();
  const [config, dir] = await Promise.all([
    stat(computer.config),
    stat(computer.handed),
  ]);
  expect([config.mode & 0o777, config.gid]).toEqual([0o640, dir.gid]);
});

testHere(
  "hand-identity believes no configuration, and no files, that others may change",
  async () => {
    await using computer = await makeComputer();
    await chmod(computer.config, 0o666);
    expect(Fault.from(await rejection(computer.hand())).code)
      .toBe("configInvalid");
    await chmod(computer.config, 0o640);
    await chmod(computer.file("key.pem"), 0o666);
    await computer.hand();
    const facts = await Bun.file(computer.copy("facts.json")).text();
    expect(parseHandedFacts(facts).fault?.message).toContain("Cannot believe");
    expect(await Bun.file(computer.copy("key.pem")).exists()).toBe(false);
  },
);

testHere(
  "HandedConfig reads what root has handed over, with the copies' paths",
  async () => {
    await using computer = await makeComputer();
    const handed = new HandedConfig(computer.handed, new ManualClock());
    const settings = await computer.settings();
    const early = Fault.from(await rejection(handed.complete(settings)));
    expect([early.code, early.message]).toEqual([
      "configInvalid",
      "Cannot run: root has not yet handed over this computer's identity",
    ]);
    await computer.hand();
    const { config } = await handed.complete(settings);
    expect([config.deviceId, config.keyFile])
      .toEqual([7, computer.copy("key.pem")]);
  },
);

testHere("HandedConfig notices when root hands something over", async () => {
  await using computer = await makeComputer();
  const clock = new ManualClock();
  const stop = new AbortController();
  const handed = new HandedConfig(computer.handed, clock);
  let changedCount = 0;
  const watch = handed.changed(stop.signal).then(() => void changedCount++);
  await clock.advance(10_000);
  expect(changedCount).toBe(0);
  await computer.hand();
  await clock.advance(3_000);
  await watch;
  expect(changedCount).toBe(1);
  // A wait that is over, or that another one has replaced, wakes nobody.
  void handed.changed(stop.signal).then(() => void changedCount++);
  void handed.changed(stop.signal).then(() => void changedCount++);
  stop.abort(new Error("Stop"));
  await settle();
  expect(changedCount).toBe(1);
});
