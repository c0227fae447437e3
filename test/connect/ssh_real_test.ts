import { afterAll, beforeAll, expect } from "bun:test";
import { join } from "node:path";
import { runChild, startChild } from "../support/child.ts";
import { sshdMissing, startSshd } from "../support/sshd.ts";
import { makeTemporaryDir } from "../support/temporary_dir.ts";
import { testUnless } from "../support/test_unless.ts";
import { startInTerminal } from "../support/terminal.ts";
import { type SshLab, startSshLab } from "./ssh_lab.ts";

const missing = sshdMissing();
/** A handful of key exchanges, on a machine that may be busy. */
const TIMEOUT_MS = 60_000;

function realTest(name: string, body: () => Promise<void>): void {
  testUnless(missing)(name, body, TIMEOUT_MS);
}

let lab: SshLab;
beforeAll(async () => {
  if (!missing) lab = await startSshLab();
});
afterAll(async () => {
  if (!missing) await lab[Symbol.asyncDispose]();
});

realTest("ssh passes on the remote exit status and both streams", async () => {
  const command = "echo out; echo err >&2; exit 42";
  const ran = await runChild(lab.argv([command]));
  expect(ran.status).toBe(42);
  expect(ran.stdout).toBe("out\n");
  expect(ran.stderr).toContain("connect to 7\n");
  expect(ran.stderr).toContain("err\n");
});

realTest("ssh hands the remote command over with its quotes", async () => {
  const words = ["two words", "it's", 'a "quote"', "$HOME", "back\\slash"];
  const script =
    "printf '%s|' 'two words' \"it's\" 'a \"quote\"' '$HOME' 'back\\slash'";
  const { stdout } = await runChild(lab.argv([script]));
  expect(stdout).toBe(`${words.join("|")}|`);
});

for (const shell of ["sh", "bash", "zsh", "fish", "csh"]) {
  const path = Bun.which(shell);
  if (!path) continue; // test/connect/shell_words_test.ts says so.
  realTest(
    `ssh finds its way to the device when the user's shell is ${shell}`,
    async () => {
      const env = { SHELL: path };
      const ran = await runChild(lab.argv(["echo through"]), { env });
      expect(ran.stdout).toBe("through\n");
    },
  );
}

realTest("ssh gives a terminal that follows the window's size", async () => {
  const script =
    "trap 'stty size; exit 9' WINCH; echo ready; while :; do read -t 1 a; done";
  await using terminal = startInTerminal(
    lab.argv(["-tt", `bash -c "${script}"`]),
  );
  await terminal.find(/ready/);
  terminal.resize(133, 41);
  await terminal.find(/41 133/);
  expect(await terminal.exited).toBe(9);
});

realTest(
  "ssh lets Ctrl-C end the remote program and not the session",
  async () => {
    const script =
      "trap 'echo heard; exit 3' INT; echo ready; while :; do read -t 1 a; done";
    await using terminal = startInTerminal(
      lab.argv(["-tt", `bash -c "${script}"`]),
    );
    await terminal.find(/ready/);
    terminal.type("\x03");
    await terminal.find(/heard/);
    expect(await terminal.exited).toBe(3);
  },
);

realTest("ssh -A lets the device ask the operator's agent", async () => {
  await using dir = await makeTemporaryDir();
  const socket = join(dir.path, "agent");
  await using agent = startChild(["ssh-agent", "-D", "-a", socket]);
  await agent.line(/SSH_AUTH_SOCK=/);
  const env = { SSH_AUTH_SOCK: socket };
  const added = await runChild(["ssh-add", lab.sshd.identityFile], { env });
  expect(added.status).toBe(0);
  const local = await runChild(["ssh-add", "-l"], { env });
  const remote = await runChild(lab.argv(["-A", "ssh-add -l"]), { env });
  expect(local.stdout).toContain("SHA256:");
  expect(remote.stdout).toBe(local.stdout);
  const without = await runChild(lab.argv(["ssh-add -l"]), { env });
  expect(without.stdout).not.toContain("SHA256:");
});

realTest("ssh -L reaches a port of the device", async () => {
  using service = Bun.serve({ port: 0, fetch: () => new Response("inside") });
  using probe = Bun.listen({
    hostname: "127.0.0.1",
    port: 0,
    socket: { data: () => undefined },
  });
  const { port } = probe;
  probe.stop(true);
  const forward = `127.0.0.1:${port}:localhost:${service.port}`;
  const argv = lab.argv(["-L", forward, "echo up; cat"]);
  await using ssh = startChild(argv, { stdin: "pipe" });
  await ssh.line(/^up$/);
  const response = await fetch(`http://127.0.0.1:${port}/`);
  expect(await response.text()).toBe("inside");
});

realTest("ssh remembers a device's key and refuses another one", async () => {
  const first = await runChild(lab.argv(["true"], { deviceId: 71 }));
  expect(first.status).toBe(0);
  const [, type, key] = lab.sshd.knownHostsLine.split(" ");
  expect(await lab.knownHosts()).toContain(`cid-71.mf ${type} ${key}\n`);
  await using other = await startSshd();
  const options = { deviceId: 71, sshd: other };
  const refused = await runChild(lab.argv(["echo in"], options));
  expect(refused).toMatchObject({ status: 255, stdout: "" });
  expect(refused.stderr).toContain("REMOTE HOST IDENTIFICATION HAS CHANGED");
  const elsewhere = await runChild(
    lab.argv(["echo in"], { deviceId: 72, sshd: other }),
  );
  expect(elsewhere).toMatchObject({ status: 0, stdout: "in\n" });
});

realTest(
  "ssh takes no new key if the user wants to see it before",
  async () => {
    const strict = ["-o", "StrictHostKeyChecking yes"];
    const ran = await runChild(
      lab.argv([...strict, "echo in"], { deviceId: 73 }),
    );
    expect(ran).toMatchObject({ status: 255, stdout: "" });
    expect(ran.stderr).toContain("Host key verification failed");
  },
);
