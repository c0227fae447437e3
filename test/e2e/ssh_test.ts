import { afterAll, beforeAll, expect } from "bun:test";
import { randomBytes } from "node:crypto";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { runChild, startChild } from "../support/child.ts";
import { freePort } from "../support/free_port.ts";
import { BINARY, type Identity, Site } from "../support/site.ts";
import { type Sshd, sshdMissing, startSshd } from "../support/sshd.ts";
import { testUnless } from "../support/test_unless.ts";

const missing = sshdMissing();
const test = testUnless(missing);

const BIG_BYTES = 256 * 1024 * 1024;

let site: Site;
let sshd: Sshd;
let operator: Identity;
let url: string;
/** ssh configuration with the stanza that `ssh --print-config` prints. */
let sshConfig: string;

beforeAll(async () => {
  if (missing !== undefined) return;
  site = await Site.create();
  sshd = site.own(await startSshd());
  ({ url } = await site.gateway());
  operator = await site.identity("operator", "maria");
  await site.agent({ id: 7, url, services: { ssh: sshd.port } });
  const flags = site.operatorFlags(url, operator);
  const stanza = await site.cli(["ssh", "--print-config", ...flags]);
  sshConfig = await site.write(
    "ssh_config",
    `${stanza}  IdentityFile ${sshd.identityFile}
  User ${sshd.user}
  StrictHostKeyChecking accept-new
  UserKnownHostsFile ${site.dir}/known_hosts
`,
  );
}, 60_000);

afterAll(async () => await site?.[Symbol.asyncDispose](), 30_000);

/** Runs a program of OpenSSH with the stanza. */
function openssh(program: string, ...args: string[]) {
  return runChild([program, "-F", sshConfig, ...args], {
    env: { HOME: site.dir },
  });
}

/** Runs `migasfree-agent ssh`, with what ssh needs to log in. */
function ssh(...args: string[]) {
  const flags = site.operatorFlags(url, operator);
  const login = ["-i", sshd.identityFile];
  return runChild(
    [BINARY, "ssh", `${sshd.user}@7`, ...flags, "--", ...login, ...args],
    { env: { HOME: site.dir } },
  );
}

async function sha256(path: string): Promise<string> {
  const hasher = new Bun.CryptoHasher("sha256");
  for await (const chunk of Bun.file(path).stream()) hasher.update(chunk);
  return hasher.digest("hex");
}

test("ssh passes on the remote command's output and exit status", async () => {
  const { status, stdout } = await ssh("echo far away; exit 42");
  expect({ status, stdout }).toEqual({ status: 42, stdout: "far away\n" });
}, 30_000);

test("ssh has a terminal, and a change of its size arrives", async () => {
  // script(1) gives us a terminal; stty inside changes its size.
  const remote = "trap 'stty size; exit 0' WINCH; stty size; echo ready; " +
    "while :; do sleep 0.1; done";
  const flags = site.operatorFlags(url, operator).join(" ");
  const inner = `stty rows 30 cols 100; tty > ${site.dir}/tty; exec ${BINARY}` +
    ` ssh ${sshd.user}@7 ${flags} -- -tt -i ${sshd.identityFile} "${remote}"`;
  await using child = startChild(
    ["script", "-qec", inner, "/dev/null"],
    { env: { HOME: site.dir, SHELL: "/bin/sh" } },
  );
  await child.line(/30 100/);
  await child.line(/ready/);
  const tty = (await readFile(`${site.dir}/tty`, "utf8")).trim();
  await runChild(["stty", "-F", tty, "rows", "50", "cols", "132"]);
  expect((await child.line(/50 132/)).trim()).toBe("50 132");
  expect(await child.exited).toBe(0);
}, 30_000);

test("scp carries 256 MiB of random bytes each way unchanged", async () => {
  const paths = ["big", "there", "back"].map((name) => join(site.dir, name));
  const [big = "", there = "", back = ""] = paths;
  const block = randomBytes(BIG_BYTES / 16);
  const file = Bun.file(big).writer();
  for (let index = 0; index < 16; index++) {
    block.writeUInt32LE(index, 0);
    file.write(block);
    await file.flush();
  }
  await file.end();
  expect((await openssh("scp", "-q", big, `aula-7.mf:${there}`)).status).toBe(
    0,
  );
  expect((await openssh("scp", "-q", `CID-7.mf:${there}`, back)).status).toBe(
    0,
  );
  const sums = await Promise.all(paths.map(sha256));
  expect(sums).toEqual(Array(3).fill(sums[0]));
}, 120_000);

test("sftp puts and gets files", async () => {
  const source = await site.write("note.txt", "a note\n");
  const batch = await site.write(
    "batch",
    `put ${source} ${site.dir}/put.txt\nget ${site.dir}/put.txt ${site.dir}/got.txt\n`,
  );
  const { status, stderr } = await openssh("sftp", "-b", batch, "7.mf");
  expect({ status, stderr: status === 0 ? "" : stderr }).toEqual({
    status: 0,
    stderr: "",
  });
  expect(await readFile(`${site.dir}/got.txt`, "utf8")).toBe("a note\n");
}, 30_000);

test("ssh forwards the user's agent", async () => {
  const socket = join(site.dir, "ssh-agent.sock");
  await using _agent = startChild(["ssh-agent", "-D", "-a", socket]);
  const env = { SSH_AUTH_SOCK: socket, HOME: site.dir };
  await _agent.line(/SSH_AUTH_SOCK=/);
  await runChild(["ssh-add", "-q", sshd.identityFile], { env });
  const { stdout } = await runChild(
    ["ssh", "-F", sshConfig, "-A", "7.mf", "ssh-add -l"],
    { env },
  );
  expect(stdout).toMatch(/^256 SHA256:\S+ .*\(ED25519\)$/m);
}, 30_000);

test("ssh -L carries a connection through the session", async () => {
  await using echo = Bun.listen({
    hostname: "127.0.0.1",
    port: 0,
    socket: { data: (socket, data) => void socket.write(data) },
  }) as unknown as AsyncDisposable & { port: number; stop(now: boolean): void };
  const port = await freePort();
  const forward = `127.0.0.1:${port}:127.0.0.1:${echo.port}`;
  const args = ["-F", sshConfig, "-v", "-N", "-L", forward, "7.mf"];
  await using child = startChild(["ssh", ...args], {
    env: { HOME: site.dir },
  });
  await child.line(/Entering interactive session/);
  const { promise, resolve } = Promise.withResolvers<string>();
  await Bun.connect({
    hostname: "127.0.0.1",
    port,
    socket: {
      open: (socket) => void socket.write("through two tunnels"),
      data: (socket, data) => {
        resolve(data.toString());
        socket.end();
      },
    },
  });
  expect(await promise).toBe("through two tunnels");
}, 30_000);

test("twenty sessions run at once", async () => {
  const go = join(site.dir, "go");
  await using all = new AsyncDisposableStack();
  const sessions = Array.from({ length: 20 }, (_, index) => {
    const remote = `echo up; until [ -e ${go} ]; do sleep 0.1; done; ` +
      `echo session ${index}`;
    return all.use(startChild(["ssh", "-F", sshConfig, "7.mf", remote], {
      env: { HOME: site.dir },
    }));
  });
  // None of them can end before all of them are open.
  await Promise.all(sessions.map((session) => session.line(/^up$/, 40_000)));
  await writeFile(go, "");
  const statuses = await Promise.all(sessions.map(({ exited }) => exited));
  expect(statuses).toEqual(Array(20).fill(0));
  expect(sessions.map((session) => session.output().stdout)).toEqual(
    sessions.map((_, index) => `up\nsession ${index}\n`),
  );
}, 60_000);

test(
  "host keys are remembered by device, and a changed one is refused",
  async () => {
    const known = join(site.dir, ".migasfree-connect/localhost/known_hosts");
    expect((await ssh("true")).status).toBe(0);
    const find = ["ssh-keygen", "-F", "cid-7.mf", "-f", known];
    expect((await runChild(find)).stdout).toMatch(/ ssh-ed25519 /);
    const other = join(site.dir, "other_key");
    await runChild([
      "ssh-keygen",
      "-q",
      "-t",
      "ed25519",
      "-N",
      "",
      "-f",
      other,
    ]);
    const [type, key] = (await readFile(`${other}.pub`, "utf8")).split(" ");
    await writeFile(known, `cid-7.mf ${type} ${key}\n`);
    const { status, stderr } = await ssh("true");
    expect(status).toBe(255);
    expect(stderr).toContain("REMOTE HOST IDENTIFICATION HAS CHANGED");
  },
  30_000,
);
