import { expect, test } from "bun:test";
import { readdir, readFile, symlink } from "node:fs/promises";
import { join } from "node:path";
import { runChild, startChild } from "../support/child.ts";
import { sshdMissing } from "../support/sshd.ts";
import { makeTemporaryDir } from "../support/temporary_dir.ts";
import { startInTerminal } from "../support/terminal.ts";
import { missingProgram, testUnless } from "../support/test_unless.ts";

const DEMO = [process.execPath, join(import.meta.dir, "../../scripts/demo.ts")];
const LIMIT_MS = 30_000;

const testWithSshd = testUnless(sshdMissing());
const testWithSsh = testUnless(missingProgram("ssh", "scp"));

/** What the demonstration leaves behind: files, then processes. */
async function leftIn(dir: string): Promise<string[]> {
  const left = await readdir(dir);
  const mark = `TMPDIR=${dir}`;
  const pids = process.platform === "linux" ? await readdir("/proc") : [];
  for (const pid of pids.filter((name) => /^\d+$/.test(name))) {
    // A process that ends meanwhile, or another user's, is none of ours.
    const environment = await readFile(`/proc/${pid}/environ`, "utf8")
      .catch(() => "");
    if (environment.split("\0").includes(mark)) left.push(pid);
  }
  return left;
}

/** A folder that is a whole PATH: these programs and no others. */
async function pathOf(dir: string, names: readonly string[]): Promise<string> {
  for (const name of names) {
    await symlink(Bun.which(name) ?? "", join(dir, name));
  }
  return dir;
}

/** Runs it with 1 MiB; numbers and names of the machine become words. */
async function runDemo(
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
): Promise<{ status: number; stdout: string; stderr: string }> {
  await using dir = await makeTemporaryDir("demo");
  const { status, stdout, stderr } = await runChild(
    [...DEMO, "--size", "1", ...args],
    { env: { TMPDIR: dir.path, ...env } },
  );
  expect(await leftIn(dir.path)).toEqual([]);
  const hostname = (await runChild(["uname", "-n"])).stdout.trim();
  const user = (await runChild(["id", "-un"])).stdout.trim();
  const plain = stdout
    .replace(/127\.0\.0\.1:\d+/g, "ADDRESS")
    .replace(/\d+\.\d+ s/g, "N s")
    .replace(/\d+ MB\/s/g, "N MB/s")
    .replace(`said "${hostname}"`, 'said "HOST"')
    .replace(`in as ${user} `, "in as USER ")
    .replace(/(\S) {2,}/g, "$1  ");
  return { status, stdout: plain, stderr };
}

interface Told {
  readonly server: string;
  readonly login: string;
  readonly copy: string;
}

/** All that a demonstration says. */
function story({ server, login, copy }: Told): string {
  return `This shows migasfree-agent at work on this computer alone.

1. Made a certificate authority, and an operator's certificate.
2. Started ${server}
3. Started a gateway on ADDRESS.
4. Started an agent. It has told the gateway that it is device 7, "aula-7",
   and that it has an SSH server.
5. Logged in as USER through the tunnel, by \`migasfree-agent ${login} \`uname -n\` said "HOST".
6. Copied 1 MiB of random bytes through the tunnel by ${copy}:
   they arrived unchanged, as their SHA-256 shows.

                           through the tunnel  directly
   log in, run a command  N s  N s
   log in, copy 1 MiB  N s, N MB/s  N s, N MB/s

The tunnel is two TLS connections, operator to gateway and agent to gateway,
with mutual certificates; SSH is encrypted from end to end inside of it.

Everything has ended, and nothing is left behind.
`;
}

testWithSshd(
  "the demonstration goes through OpenSSH, tells it, and leaves nothing",
  async () => {
    expect(await runDemo([])).toEqual({
      status: 0,
      stdout: story({
        server: "OpenSSH's sshd on ADDRESS, with its own key.",
        login: "ssh` and OpenSSH:\n  ",
        copy: "scp",
      }),
      stderr: "",
    });
  },
  LIMIT_MS,
);

testWithSsh(
  "the demonstration does without an sshd",
  async () => {
    expect(await runDemo(["--ssh2"])).toEqual({
      status: 0,
      stdout: story({
        server:
          "the ssh2 library's SSH server on ADDRESS, with its own key:\n" +
          "   --ssh2 was asked for.",
        login: "ssh` and OpenSSH:\n  ",
        copy: "scp",
      }),
      stderr: "",
    });
  },
  LIMIT_MS,
);

test("the demonstration does without anything of OpenSSH", async () => {
  await using bin = await makeTemporaryDir();
  const PATH = await pathOf(bin.path, ["id", "uname", "cat"]);
  expect(await runDemo([], { PATH })).toEqual({
    status: 0,
    stdout: story({
      server: "the ssh2 library's SSH server on ADDRESS, with its own key:\n" +
        "   ssh is not installed (openssh-client).",
      login: "connect --listen`\n   and the ssh2 library's client, for no " +
        "ssh is installed:",
      copy: "that client",
    }),
    stderr: "",
  });
}, LIMIT_MS);

test("the demonstration says what failed, with the logs", async () => {
  await using bin = await makeTemporaryDir();
  const PATH = await pathOf(bin.path, ["id", "uname", "cat"]);
  // Both exist, and neither can log in.
  for (const name of ["ssh", "scp"]) {
    await symlink(Bun.which("false") ?? "", join(PATH, name));
  }
  const { status, stdout, stderr } = await runDemo(["--ssh2"], { PATH });
  expect(status).toBe(1);
  expect(stdout).toEndWith(
    "\nEverything has ended, and nothing is left behind.\n",
  );
  const lines = stderr.split("\n");
  expect(lines[0]).toBe(
    "demo: Cannot log in through the tunnel: ssh ended with status 1",
  );
  expect(lines.filter((line) => /^\S/.test(line)).slice(1)).toEqual([
    "aula-7.log ends with:",
    "gateway.log ends with:",
    "sshd.log ends with:",
  ]);
  expect(stderr).toMatch(/^ {2}\S+ info link\.open /m);
  expect(stderr).toMatch(/^ {2}\S+ info agent\.online device=7 /m);
}, LIMIT_MS);

test("--stay prints commands that work, and ends by Ctrl-C", async () => {
  await using dir = await makeTemporaryDir("demo");
  const argv = [...DEMO, "--stay", "--size", "1", "--ssh2"];
  await using demo = startInTerminal(argv, { env: { TMPDIR: dir.path } });
  const [, devices = ""] = await demo.find(/^ {2}(\S+ devices)\r$/m);
  const [, status = ""] = await demo.find(/^ {2}(\S+ status .*)\r$/m);
  await demo.find(/^Ctrl-C ends it\.\r$/m);
  const run = (command: string) => runChild(["sh", "-c", command]);
  expect((await run(devices)).stdout).toMatch(/^7 +aula-7 +online +ssh$/m);
  expect((await run(status)).stdout).toMatch(/^device +7 aula-7$/m);
  demo.type("\x03");
  await demo.find(/^Everything has ended, and nothing is left behind\.\r$/m);
  expect(await demo.exited).toBe(0);
  expect(await leftIn(dir.path)).toEqual([]);
}, LIMIT_MS);

test("--stay ends, and says so, when a part of it has ended", async () => {
  await using dir = await makeTemporaryDir("demo");
  const argv = [...DEMO, "--stay", "--size", "1", "--ssh2"];
  await using demo = startChild(argv, { env: { TMPDIR: dir.path } });
  const line = await demo.line(/^It all keeps running: /);
  await demo.line(/^Ctrl-C ends it\.$/);
  const [, gateway] = /gateway \(process (\d+)\)/.exec(line) ?? [];
  process.kill(Number(gateway), "SIGKILL");
  expect(await demo.exited).toBe(1);
  const { stderr } = demo.output();
  expect(stderr).toStartWith("demo: The gateway has ended with 137\n");
  expect(await leftIn(dir.path)).toEqual([]);
}, LIMIT_MS);

test("the demonstration can be stopped at any moment", async () => {
  await using dir = await makeTemporaryDir("demo");
  for (const moment of [/^This shows/, /^2\. /, /^3\. /, /^4\. /]) {
    const argv = [...DEMO, "--size", "1", "--ssh2"];
    await using demo = startChild(argv, { env: { TMPDIR: dir.path } });
    await demo.line(moment);
    demo.kill("SIGTERM");
    const status = await demo.exited;
    const { stderr } = demo.output();
    expect({ moment, status, stderr }).toEqual({
      moment,
      status: 143,
      stderr: "",
    });
    expect(await leftIn(dir.path)).toEqual([]);
  }
}, LIMIT_MS);

for (const args of [["--size", "0"], ["--size", "1e3"], ["more"], ["--fast"]]) {
  test(`the demonstration does not understand ${args.join(" ")}`, async () => {
    const { status, stdout, stderr } = await runChild([...DEMO, ...args]);
    expect({ status, stdout }).toEqual({ status: 64, stdout: "" });
    expect(stderr).toContain("\nUsage: scripts/demo ");
  });
}
