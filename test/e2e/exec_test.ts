import { afterAll, beforeAll, expect, test } from "bun:test";
import { createHash } from "node:crypto";
import { writeFile } from "node:fs/promises";
import { auditRecords } from "../support/operator.ts";
import { ExecSite } from "./exec_site.ts";

let there: ExecSite;

beforeAll(async () => {
  there = await ExecSite.create();
}, 60_000);

afterAll(async () => await there?.[Symbol.asyncDispose](), 30_000);

test("exec passes on both outputs and the exit status", async () => {
  const script = "echo out; echo err >&2; echo more >/dev/stderr; exit 3";
  expect(await there.exec("7", ["sh", "-c", script]))
    .toEqual({ status: 3, stdout: "out\n", stderr: "err\nmore\n" });
});

test("exec finds a device by CID and by name, and hands on words as they are", async () => {
  for (const device of ["CID-7", "aula-7"]) {
    const words = ["$(id)", "a b", "*", "--", "-v", ""];
    const { status, stdout } = await there.exec(device, [
      "printf",
      "<%s>",
      ...words,
    ]);
    expect([status, stdout]).toEqual([0, "<$(id)><a b><*><--><-v><>"]);
  }
});

test("exec exits with 128 + n if a signal ended the command", async () => {
  const { status, stderr } = await there.exec("7", [
    "sh",
    "-c",
    "kill -KILL $$",
  ]);
  expect([status, stderr]).toEqual([137, "The command ended by SIGKILL\n"]);
});

test("exec carries a line of 200 kB and 10 MB of random bytes", async () => {
  const line = await there.exec("7", [
    "sh",
    "-c",
    "yes | tr -d '\\n' | head -c 200000",
  ]);
  expect([line.status, line.stdout]).toEqual([0, "y".repeat(200_000)]);
  const script = "head -c 10000000 /dev/urandom | tee /dev/stderr | sha256sum";
  const child = Bun.spawn(there.argv("7", ["sh", "-c", script]), {
    env: { ...process.env, HOME: there.site.dir },
    stdio: ["ignore", "pipe", "pipe"],
  });
  const [stdout, stderr] = await Promise.all([
    new Response(child.stdout).text(),
    new Response(child.stderr).bytes(),
  ]);
  const digest = createHash("sha256").update(stderr).digest("hex");
  expect([await child.exited, stderr.length, stdout])
    .toEqual([0, 10_000_000, `${digest}  -\n`]);
}, 30_000);

test("exec shows progress and half characters while the command runs", async () => {
  const [go, end] = [`${there.site.dir}/go`, `${there.site.dir}/end`];
  const child = Bun.spawn(
    there.argv("7", [
      "sh",
      "-c",
      `printf '10 %%\\r\\303'; while [ ! -e ${go} ]; do sleep 0.02; done; ` +
      `printf '\\261'; while [ ! -e ${end} ]; do sleep 0.02; done`,
    ]),
    {
      env: { ...process.env, HOME: there.site.dir },
      stdio: ["ignore", "pipe", "inherit"],
    },
  );
  const reader = child.stdout.getReader();
  const first = await reader.read();
  expect(first.value?.toHex()).toBe("313020250dc3");
  await writeFile(go, "");
  expect((await reader.read()).value?.toHex()).toBe("b1");
  await writeFile(end, "");
  expect([(await reader.read()).done, await child.exited]).toEqual([true, 0]);
});

test("exec refuses what is not allowed with 77, and names what is", async () => {
  const { status, stderr } = await there.exec("7", ["rm", "-rf", "/"]);
  expect([status, stderr]).toEqual([
    77,
    "migasfree-agent: Cannot run rm -rf /: this device allows " +
    'sh -c …, printf "<%s>" …\n' +
    "  hint: Add the command to [exec] allow in its agent.toml\n",
  ]);
});

test("an agent allows migasfree's synchronisation and questions by default", async () => {
  const refused = await there.exec("8", ["migasfree", "install", "x"]);
  expect([refused.status, refused.stderr]).toEqual([
    77,
    expect.stringContaining("this device allows migasfree sync, migasfree"),
  ]);
  const missing = await there.exec("8", ["migasfree", "sync"]);
  expect([missing.status, missing.stderr]).toEqual([
    69,
    expect.stringContaining("Cannot start migasfree: not found there"),
  ]);
});

test("an agent whose list is empty offers no exec", async () => {
  const { status, stderr } = await there.exec("9", ["migasfree", "sync"]);
  expect([status, stderr]).toEqual([
    69,
    'migasfree-agent: Device 9 offers no service "exec", only: ssh\n' +
    "  hint: Set [exec] allow in its agent.toml, or upgrade its agent\n",
  ]);
});

test("an agent logs each command, and the gateway audits that there was one", async () => {
  const log = `${there.site.dir}/aula-7.log`;
  await there.exec("7", ["sh", "-c", "printf 'x\\033[2J'; exit 4"]);
  const lines = (await Bun.file(log).text()).trim().split("\n")
    .filter((line) => line.includes("033[2J"));
  expect(lines.map((line) => line.replace(/^\S+ /, ""))).toEqual([
    expect.stringMatching(
      /^info exec\.start tunnelId=\w{32} operator=maria argv=/,
    ),
    expect.stringMatching(
      /^info exec\.end .* exit=4 ms=\d+ stdoutBytes=5 stderrBytes=0 code=ok$/,
    ),
  ]);
  const records = (await auditRecords(there.site))
    .filter(({ service }) => service === "exec");
  expect(records.at(-1)).toMatchObject({
    event: "tunnel.closed",
    operator: "maria",
    deviceId: 7,
    code: "ok",
  });
});

for (
  const [flags, command] of [
    [[], []],
    [["--timeout", "0"], ["true"]],
    [["--timeout", "soon"], ["true"]],
    [["--timeout", "99999999"], ["true"]],
    [[], Array(300).fill("x")],
    [[], ["x".repeat(70_000)]],
  ] as const
) {
  const shown = `${flags.join(" ")} and ${command.length} words`;
  test(`exec with ${shown} is a usage error`, async () => {
    const { status, stderr } = await there.exec("7", [...command], [...flags]);
    expect([status, stderr.split("\n").length]).toEqual([64, 3]);
    expect(stderr).toContain("\n  hint: ");
  });
}
