import { afterAll, beforeAll, expect } from "bun:test";
import { chmod, link, writeFile } from "node:fs/promises";
import { connect as connectTcp } from "node:net";
import { BINARY } from "../support/site.ts";
import { sshdMissing } from "../support/sshd.ts";
import { serveTcp } from "../support/tcp_peer.ts";
import { startInTerminal, type Terminal } from "../support/terminal.ts";
import { missingProgram, testUnless } from "../support/test_unless.ts";
import { ConnectSite } from "./connect_site.ts";

const missing = sshdMissing() ?? missingProgram("openssl");
const test = testUnless(missing);
const LIMIT_MS = 30_000;

let site: ConnectSite;
let home: string;
let user: string;

beforeAll(async () => {
  if (missing !== undefined) return;
  site = await ConnectSite.create();
  home = await site.readyHome();
  ({ user } = site.sshd);
  const greeter = site.site.own(
    await serveTcp((socket) => void socket.end("RFB 003.008\n")),
  );
  const services = { ssh: site.sshd.port, vnc: greeter.port };
  const top = '[exec]\nallow = [["printf", "<%s>", "*"], ["false"]]';
  await site.site.agent({ id: 7, url: site.url, services, top });
}, LIMIT_MS);

afterAll(async () => await site?.[Symbol.asyncDispose](), LIMIT_MS);

/** Runs it against device 7, with `-m`. */
function connect(...args: readonly string[]) {
  return site.connect(home, [...args, "-m", site.manager, "-a", "CID-7"]);
}

/** All that a server says at a port of 127.0.0.1, up to its end. */
function readAll(port: number): Promise<string> {
  const { promise, reject, resolve } = Promise.withResolvers<string>();
  let text = "";
  connectTcp(port, "127.0.0.1").setEncoding("utf8").on("error", reject)
    .on("data", (chunk) => void (text += chunk))
    .on("end", () => resolve(text));
  return promise;
}

test(
  "migasfree-connect runs ssh, and passes on the remote's status",
  async () => {
    const command = "echo \"$1 far\" 'away; it'; exit 42";
    const { status, stdout } = await connect(user, "-t", "ssh", "-c", command);
    expect({ status, stdout }).toEqual({
      status: 42,
      stdout: " far away; it\n",
    });
    // ssh is what there is without -t, and the only site is the one without -m.
    const short = site.connect(home, [user, "-a", "7", "-c", "id -un"], {
      MIGASFREE_CONNECT_GATEWAY: site.url,
    });
    expect((await short).stdout).toBe(`${user}\n`);
  },
  LIMIT_MS,
);

test("migasfree-connect is that as a copy of another name, too", async () => {
  const copy = `${site.site.dir}/copied/migasfree-connect`;
  await site.site.write("copied/none", "");
  await link(BINARY, copy);
  const args = [user, "-m", site.manager, "-a", "aula-7", "-c", "echo it is"];
  const { status, stdout } = await site.connect(home, args, {});
  expect({ status, stdout }).toEqual({ status: 0, stdout: "it is\n" });
  const child = Bun.spawnSync([copy, ...args], {
    env: { ...process.env, ...site.env(home) },
  });
  expect([child.exitCode, `${child.stdout}`]).toEqual([0, "it is\n"]);
}, LIMIT_MS);

test(
  "item 62: migasfree-connect finds a free port, says which, and binds loopback only",
  async () => {
    const args = ["-t", "vnc", "-m", site.manager, "-a", "7", "-p", "0"];
    // No viewer in PATH: the user's own may use the port.
    await site.site.write("empty/none", "");
    const child = site.start(home, args, { PATH: `${site.site.dir}/empty` });
    const line = await child.line(/^listening /);
    const [, port] = /^listening 127\.0\.0\.1:(\d+)$/.exec(line) ?? [];
    expect(await readAll(Number(port))).toBe("RFB 003.008\n");
    child.kill("SIGINT");
    expect(await child.exited).toBe(0);
  },
  LIMIT_MS,
);

test(
  "item 62: migasfree-connect -t ssh -p opens a port beside ssh",
  async () => {
    const child = site.start(home, [
      ...[user, "-m", site.manager, "-a", "7", "-p", "0"],
      ...["-c", "echo ready; sleep 20"],
    ]);
    const line = await child.line(/^listening /);
    await child.line(/^ready$/);
    const [, port] = /^listening 127\.0\.0\.1:(\d+)$/.exec(line) ?? [];
    const { status, stdout } = await site.connect(home, [
      ...["--as-agent", "version"],
    ]);
    expect([status, stdout.split(" ")[0]]).toEqual([0, "migasfree-agent"]);
    const banner = Promise.withResolvers<string>();
    const socket = connectTcp(Number(port), "127.0.0.1").setEncoding("utf8")
      .on("error", banner.reject).once("data", banner.resolve);
    expect(await banner.promise).toStartWith("SSH-2.0-");
    socket.destroy();
  },
  LIMIT_MS,
);

test(
  "item 63: migasfree-connect -e prints what comes, and ends as the command",
  async () => {
    const run = async (line: string) => {
      const { status, stdout } = await connect("-t", "exec", "-e", line);
      return [status, stdout];
    };
    expect(await run("printf '<%s>' 'two words'")).toEqual([0, "<two words>"]);
    expect(await run("false")).toEqual([1, ""]);
    const refused = await connect("-e", "printf; id");
    expect([refused.status, refused.stderr]).toEqual([
      77,
      expect.stringMatching(/^migasfree-connect: /),
    ]);
  },
  LIMIT_MS,
);

test("migasfree-connect --help teaches, on stdout", async () => {
  const { status, stderr, stdout } = await site.connect(home, ["--help"]);
  expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
  expect(stdout).toStartWith("Usage: migasfree-connect [options] [user]\n");
  const [, examples = ""] = stdout.split("\nExamples:\n");
  expect(examples).toMatch(/^ {2}migasfree-connect root -a CID-7 -m https:/);
  for (const flag of ["-t", "-a", "-m", "-p", "-c", "-e"]) {
    expect(stdout).toContain(`\n  ${flag}, --`);
  }
  for (const exit of [0, 64, 69, 76, 77, 78]) {
    expect(stdout).toMatch(new RegExp(`\\b${exit}\\b`));
  }
  const widest = Math.max(...stdout.split("\n").map(({ length }) => length));
  expect(widest).toBeLessThanOrEqual(100);
  const mistake = await site.connect(home, ["--agnt", "7"]);
  expect([mistake.status, mistake.stderr]).toEqual([
    64,
    "migasfree-connect: Unknown option '--agnt': did you mean --agent?\n" +
    "  hint: See `migasfree-connect --help`\n",
  ]);
}, LIMIT_MS);

test("migasfree-connect refuses flags that contradict each other", async () => {
  const said = async (...args: readonly string[]) => {
    const { status, stderr } = await connect(...args);
    return [status, stderr.split("\n")[0]];
  };
  expect([
    await said("-t", "exec"),
    await said("-t", "vnc", "-c", "id"),
    await said("-t", "ssh", "-e", "id"),
    await said("-e", "'open"),
    await said("-t", "vnc", "-p", "65536"),
  ]).toEqual([
    [64, "migasfree-connect: Cannot tell which command to run"],
    [64, "migasfree-connect: Cannot use -c with -t vnc"],
    [64, "migasfree-connect: Cannot use -e with -t ssh"],
    [
      64,
      "migasfree-connect: Cannot read -e: " +
      "Invalid command syntax: No closing quotation",
    ],
    [64, 'migasfree-connect: Cannot read "65536" as a port'],
  ]);
}, LIMIT_MS);

test(
  "item 55: migasfree-connect without -a and terminal says what to give",
  async () => {
    const { status, stderr } = await site.connect(home, ["-m", site.manager]);
    expect([status, stderr]).toEqual([
      64,
      "migasfree-connect: Cannot tell which device is meant: no -a, and no " +
      "terminal to ask at\n  hint: Give -a CID-7; --list shows which there are\n",
    ]);
  },
  LIMIT_MS,
);

/** Starts it without `-a` at a terminal. */
function startAsking(): Terminal {
  return startInTerminal(
    [
      site.program,
      user,
      "-m",
      site.manager,
      "-c",
      "echo there; read x; echo got $x",
    ],
    { env: site.env(home) },
  );
}

test(
  "item 55: migasfree-connect lets a person choose, among one or among many",
  async () => {
    {
      await using alone = startAsking();
      await alone.find(/1 +CID-7 +aula-7 +ssh vnc[^]*Enter takes it.*: /);
      alone.type("\r");
      await chosen(alone);
    }
    for (let id = 20; id < 45; id++) {
      await site.site.agent({ id, url: site.url, services: { ssh: 1 } });
    }
    await using many = startAsking();
    await many.find(/1 +CID-7 +aula-7[^]*20 +CID-38[^]*and 6 more/);
    await many.find(/Number, CID-n or part of a name: /);
    many.type("nobody\r");
    await many.find(/There is no such device[^]*part of a name: /);
    many.type("a-4\r");
    await many.find(/1 +CID-40[^]*5 +CID-44[^]*part of a name: /);
    many.type("cid-7\r");
    await many.find(/There is no such device[^]*part of a name: /);
    many.type("1\r");
    await chosen(many);
  },
  120_000,
);

/** What is typed after the menu is the remote program's, every byte of it. */
async function chosen(terminal: Terminal): Promise<void> {
  await terminal.find(/there/);
  terminal.type("all of it\r");
  await terminal.find(/got all of it/);
  expect(await terminal.exited).toBe(0);
}

test("migasfree-connect ends at Ctrl-C in its menu", async () => {
  await using terminal = startAsking();
  await terminal.find(/(?:Enter takes it|part of a name).*: /);
  terminal.type("\x03");
  await terminal.find(/migasfree-connect: Stopped at the question/);
  expect(await terminal.exited).toBe(69);
}, LIMIT_MS);

test("a viewer gets the port that -p names", async () => {
  const viewer = `${site.site.dir}/bin/vncviewer`;
  await writeFile(viewer, '#!/bin/sh\necho "looked at $1"\nexit 5\n');
  await chmod(viewer, 0o755);
  const { status, stdout } = await connect(...["-t", "vnc", "-p", "0"], ...[
    ...["--viewer", viewer],
  ]);
  const [, port] = /^listening 127\.0\.0\.1:(\d+)\n/.exec(stdout) ?? [];
  expect([status, stdout.split("\n")[1]]).toEqual([
    5,
    `looked at 127.0.0.1::${port}`,
  ]);
}, LIMIT_MS);
