import { afterAll, beforeAll, expect } from "bun:test";
import { existsSync } from "node:fs";
import { mkdir, rename } from "node:fs/promises";
import { join } from "node:path";
import {
  encodeExecMessage,
  ExecFrameDecoder,
} from "../../src/protocol/exec_frame.ts";
import { runChild } from "../support/child.ts";
import { listenForDatagrams } from "../support/datagrams.ts";
import { eventually } from "../support/eventually.ts";
import { BINARY, Site } from "../support/site.ts";
import { notLinux, testUnless } from "../support/test_unless.ts";

const testHere = testUnless(notLinux());

let site: Site;
let url: string;
beforeAll(async () => {
  site = await Site.create();
  ({ url } = await site.gateway());
});
afterAll(async () => {
  await site[Symbol.asyncDispose]();
});

/** A configuration whose files are root's, for an agent that is not. */
async function configOf(id: number, more = ""): Promise<string> {
  const identity = await site.identity("computer", `uuid-${id}_1`);
  return await site.write(
    `service-${id}.toml`,
    `device_id = ${id}
name = "service-${id}"
gateway = "${url}"
ca_file = "${identity.ca_file}"
cert_file = "${identity.cert_file}"
key_file = "${identity.key_file}"
state_dir = "${join(site.dir, `service-${id}`)}"
${more}
`,
  );
}

testHere(
  "the binary tells systemd when it is ready, how it goes, and that it lives",
  async () => {
    const config = await configOf(21);
    const path = join(site.dir, "notify");
    using heard = listenForDatagrams(path);
    const messages: string[] = [];
    const hears = (text: string) =>
      eventually(text, () => {
        messages.push(...heard.take());
        return messages.some((message) => message.includes(text));
      });
    const env = { NOTIFY_SOCKET: path, WATCHDOG_USEC: "1000000" };
    const agent = site.start([BINARY, "run", "--config", config], env);
    await hears(`READY=1\nSTATUS=Online at ${url}, 0 tunnels`);
    await hears("WATCHDOG=1");
    agent.kill("SIGHUP");
    await hears("RELOADING=1");
    await eventually("it is ready again", () => {
      messages.push(...heard.take());
      return messages.filter((one) => one.startsWith("READY=1")).length > 1;
    });
    agent.kill("SIGTERM");
    await hears("STOPPING=1");
    expect(await agent.exited).toBe(0);
  },
);

testHere("the gateway tells systemd, too", async () => {
  const path = join(site.dir, "notify-gateway");
  using heard = listenForDatagrams(path);
  const { config } = await site.gateway({ name: "notified" });
  const child = site.start([BINARY, "gateway", "--config", config], {
    NOTIFY_SOCKET: path,
    MIGASFREE_GATEWAY_STATE_DIR: join(site.dir, "notified-2"),
  });
  const messages: string[] = [];
  await eventually("it is ready", () => {
    messages.push(...heard.take());
    return messages.includes("READY=1\nSTATUS=0 agents online");
  });
  child.kill("SIGTERM");
  await child.exited;
  expect(heard.take().at(-1)).toBe("STOPPING=1\nSTATUS=Stopping");
});

testHere(
  "an agent waits for what root hands over, and takes what it renews",
  async () => {
    const config = await configOf(22);
    const handed = join(site.dir, "handed");
    await mkdir(handed, { mode: 0o750 });
    const hand = () =>
      runChild([BINARY, "hand-identity", handed, "--config", config]);
    const agent = site.start(
      [BINARY, "run", "--config", config, "--identity", handed],
    );
    await agent.line(/config\.incomplete .*root has not yet handed over/);
    expect((await hand()).status).toBe(0);
    await agent.line(/link\.open /);
    const folder = join(site.pkiDir, "computers/uuid-22_1");
    await rename(folder, `${folder}.old`);
    await site.identity("computer", "uuid-22_1");
    expect((await hand()).status).toBe(0);
    await agent.line(/link\.lost .*identityChanged/);
  },
);

testHere("an agent that has no tunnel retires at once", async () => {
  const agent = site.start([BINARY, "run", "--config", await configOf(23)]);
  await agent.line(/link\.open /);
  agent.kill("SIGUSR2");
  expect(await agent.exited).toBe(0);
  expect(agent.output().stderr).toContain(" info agent.retire tunnels=0\n");
});

/** Root's side of one command, and what it says. */
function startHelper(config: string) {
  const child = Bun.spawn([BINARY, "exec-helper", "--config", config], {
    stdio: ["pipe", "pipe", "pipe"],
  });
  const said: string[] = [];
  const decoder = new ExecFrameDecoder("agent", {
    output: (output, piece) =>
      void said.push(`${output} ${new TextDecoder().decode(piece)}`),
    message: (message) => void said.push(JSON.stringify(message)),
  });
  const hear = async () => {
    for await (const chunk of child.stdout) decoder.decode(chunk);
  };
  const ask = (...argv: string[]) => {
    child.stdin.write(encodeExecMessage({ type: "start", start: { argv } }));
    void child.stdin.flush();
  };
  return { child, said, hear, ask };
}

testHere(
  "exec-helper runs an entry that says every word, and nothing else",
  async () => {
    const config = await configOf(
      24,
      '[exec]\nallow = [["sh", "-c", "echo out; exit 3"], ["echo", "*"]]',
    );
    const words: [string[], RegExp][] = [
      [["sh", "-c", "echo out; exit 3"], /^stdout out\n,.*"exit":\{"code":3\}/],
      [["sh", "-c", "echo out; exit 3", "x"], /^\{"type":"error".*execRefused/],
      [["sh"], /^\{"type":"error".*execRefused/],
      [["echo", "hi"], /^\{"type":"error".*execRefused/],
      [["/bin/sh", "-c", "echo out; exit 3"], /^\{"type":"error".*execRefused/],
    ];
    for (const [argv, answer] of words) {
      const { ask, child, hear, said } = startHelper(config);
      ask(...argv);
      await hear();
      void child.stdin.end();
      expect([argv, await child.exited]).toEqual([argv, 0]);
      expect(said.join()).toMatch(answer);
    }
  },
);

testHere(
  "exec-helper goes on when who asked has died, and ends when it is told to",
  async () => {
    const done = join(site.dir, "done");
    const config = await configOf(
      25,
      `[exec]\nallow = [["sh", "-c", "sleep 0.3; echo x; : >${done}"], ["sleep", "60"]]`,
    );
    const died = startHelper(config);
    died.ask("sh", "-c", `sleep 0.3; echo x; : >${done}`);
    await died.child.stdin.end();
    await died.child.stdout.cancel();
    await eventually("it goes on", () => existsSync(done));
    expect(await died.child.exited).toBe(0);
    const told = startHelper(config);
    told.ask("sleep", "60");
    told.child.stdin.write(encodeExecMessage({ type: "cancel" }));
    await told.child.stdin.end();
    await told.hear();
    expect(told.said.join()).toContain('"exit":{"signal":"SIGTERM"}');
  },
);
