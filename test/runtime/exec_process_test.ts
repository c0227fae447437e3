import { createHash } from "node:crypto";
import { writeFile } from "node:fs/promises";
import { homedir } from "node:os";
import { expect, test } from "bun:test";
import { Fault } from "../../src/protocol/fault.ts";
import { startExecProcess } from "../../src/runtime/exec_process.ts";
import { makeTemporaryDir } from "../support/temporary_dir.ts";
import { ExecEar } from "./exec_ear.ts";

function sh(script: string, ...args: string[]): ExecEar {
  return new ExecEar(["sh", "-c", script, "sh", ...args]);
}

test("startExecProcess() tells the two outputs apart, and the exit status", async () => {
  const ear = sh("echo out; echo error >&2; exit 3");
  expect(await ear.exit).toEqual({ code: 3 });
  expect([ear.text("stdout"), ear.text("stderr")]).toEqual([
    "out\n",
    "error\n",
  ]);
  await ear.process.gone;
});

test("startExecProcess() tells by which signal a program ended", async () => {
  expect(await sh("kill -KILL $$").exit).toEqual({ signal: "SIGKILL" });
  expect(await sh("kill -USR1 $$").exit).toEqual({ signal: "SIGUSR1" });
});

test("startExecProcess() hands words on as they are: there is no shell", async () => {
  const words = ["$(id)", "a b", "", "*", "';", "ñ\n", "\\"];
  const ear = new ExecEar(["printf", "<%s>", ...words]);
  expect(await ear.exit).toEqual({ code: 0 });
  expect(ear.text()).toBe(words.map((word) => `<${word}>`).join(""));
});

test("startExecProcess() gives an environment of its own, a plain place and no input", async () => {
  const path = process.env["PATH"];
  process.env["PATH"] = "relative:/usr/bin:/opt/own/bin";
  const ear = sh("cat; pwd; env");
  process.env["PATH"] = path;
  expect(await ear.exit).toEqual({ code: 0 });
  const [place, ...variables] = ear.text().trim().split("\n");
  expect(place).toBe("/");
  // What the shell adds by itself.
  const given = variables.filter((line) =>
    !/^(?:PWD|SHLVL|_|OLDPWD)=/.test(line)
  );
  expect(given.sort()).toEqual([
    `HOME=${homedir()}`,
    "LANG=C.UTF-8",
    "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin:/opt/own/bin",
    "PYTHONUNBUFFERED=1",
  ]);
});

test("startExecProcess() tells progress without a newline while the program runs", async () => {
  await using dir = await makeTemporaryDir();
  const ear = sh(
    'printf "10 %%\\r"; while [ ! -e "$1/go" ]; do sleep 0.02; done; ' +
      'printf "20 %%\\r"; while [ ! -e "$1/end" ]; do sleep 0.02; done',
    dir.path,
  );
  await ear.says("10 %\r");
  await writeFile(`${dir.path}/go`, "");
  await ear.says("10 %\r20 %\r");
  await writeFile(`${dir.path}/end`, "");
  expect(await ear.exit).toEqual({ code: 0 });
});

test("startExecProcess() tells half a character as it comes, unchanged", async () => {
  await using dir = await makeTemporaryDir();
  const ear = sh(
    "printf '\\303'; while [ ! -e \"$1/go\" ]; do sleep 0.02; done; " +
      "printf '\\261\\377\\000'",
    dir.path,
  );
  await ear.says("\u00c3");
  await writeFile(`${dir.path}/go`, "");
  expect(await ear.exit).toEqual({ code: 0 });
  expect(ear.bytes().toString("hex")).toBe("c3b1ff00");
});

test("startExecProcess() carries a line of 200 kB", async () => {
  const line = sh("head -c 200000 /dev/zero | tr '\\0' x");
  expect(await line.exit).toEqual({ code: 0 });
  expect(line.text()).toBe("x".repeat(200_000));
});

test("startExecProcess() brings 10 MB unchanged, also to a program that opens /dev/stderr", async () => {
  const ear = sh(
    "seq 1 1500000 | head -c 10000000 | tee /dev/stderr | sha256sum",
  );
  expect(await ear.exit).toEqual({ code: 0 });
  const digest = createHash("sha256").update(ear.bytes("stderr")).digest("hex");
  expect([ear.bytes("stderr").length, ear.text()])
    .toEqual([10_000_000, `${digest}  -\n`]);
});

test("startExecProcess() says that a program is not there, or cannot be run", () => {
  const cases = [
    "no-such-program-here",
    "bin/sh",
    "../bin/sh",
    "/etc/passwd",
    "/etc",
  ];
  for (const name of cases) {
    let fault: Fault | undefined;
    try {
      startExecProcess([name], { output: () => {}, ended: () => {} });
    } catch (error) {
      fault = Fault.from(error);
    }
    expect([name, fault?.code, fault?.message]).toEqual([
      name,
      "programMissing",
      `Cannot start ${name}: not found there`,
    ]);
  }
});

test("startExecProcess() looks into the agent's PATH, but behind the system's directories", async () => {
  await using dir = await makeTemporaryDir();
  for (const name of ["mine", "true"]) {
    const text = "#!/bin/sh\necho mine\n";
    await writeFile(`${dir.path}/${name}`, text, { mode: 0o755 });
  }
  const path = process.env["PATH"];
  process.env["PATH"] = `${dir.path}::bin:${path}`;
  const ears = ["mine", "true"].map((name) => new ExecEar([name]));
  process.env["PATH"] = path;
  const exits = await Promise.all(ears.map((ear) => ear.exit));
  expect(exits).toEqual([{ code: 0 }, { code: 0 }]);
  expect(ears.map((ear) => ear.text())).toEqual(["mine\n", ""]);
});

test("startExecProcess() does without true pipes where there is no place for them", async () => {
  const was = process.env["TMPDIR"];
  process.env["TMPDIR"] = "/no/such/place";
  const ear = sh("echo out; echo error >&2; exit 3");
  if (was === undefined) delete process.env["TMPDIR"];
  else process.env["TMPDIR"] = was;
  expect(await ear.exit).toEqual({ code: 3 });
  expect([ear.text("stdout"), ear.text("stderr")])
    .toEqual(["out\n", "error\n"]);
});
