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
  const ear = sh("cat; pwd; env");
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
    "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
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

test("startExecProcess() carries a line of 200 kB and 10 MB of bytes", async () => {
  const line = sh("head -c 200000 /dev/zero | tr '\\0' x");
  expect(await line.exit).toEqual({ code: 0 });
  expect(line.text()).toBe("x".repeat(200_000));
  const much = sh(
    "head -c 10000000 /dev/urandom >&2; exit 5",
  );
  expect(await much.exit).toEqual({ code: 5 });
  expect(much.bytes("stderr").length).toBe(10_000_000);
});

test("startExecProcess() brings 10 MB unchanged", async () => {
  const ear = sh(
    "seq 1 1500000 | head -c 10000000 >&2; " +
      "seq 1 1500000 | head -c 10000000 | sha256sum",
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

test("startExecProcess() finds no program by the PATH of whoever started us", async () => {
  await using dir = await makeTemporaryDir();
  await writeFile(`${dir.path}/mine`, "#!/bin/sh\necho mine\n", {
    mode: 0o755,
  });
  const path = process.env["PATH"];
  process.env["PATH"] = `${dir.path}:${path}`;
  try {
    const sink = { output: () => {}, ended: () => {} };
    expect(() => startExecProcess(["mine"], sink)).toThrow("not found there");
  } finally {
    process.env["PATH"] = path;
  }
  const ear = new ExecEar([`${dir.path}/mine`]);
  expect(await ear.exit).toEqual({ code: 0 });
  expect(ear.text()).toBe("mine\n");
});
