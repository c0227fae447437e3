import { afterAll, beforeAll, expect, test } from "bun:test";
import { randomBytes } from "node:crypto";
import { writeFile } from "node:fs/promises";
import { freePort } from "../support/free_port.ts";
import { BINARY, type Identity, Site } from "../support/site.ts";
import { type Sshd, sshdMissing, startSshd } from "../support/sshd.ts";
import { dialTest, serveTcp, type TestServer } from "../support/tcp_peer.ts";
import { testUnless } from "../support/test_unless.ts";

const BLOCK = randomBytes(1024 * 1024);
const BLOCKS_COUNT = 192;

let site: Site;
let port: number;
let url: string;
let operator: Identity;
let echoing: TestServer;
let sshd: Sshd | undefined;
let gateway: Awaited<ReturnType<Site["gateway"]>>;

beforeAll(async () => {
  site = await Site.create();
  port = await freePort();
  gateway = await site.gateway({ port });
  url = gateway.url;
  operator = await site.identity("operator", "maria");
  echoing = site.own(await serveTcp((socket) => void socket.pipe(socket)));
  sshd = sshdMissing() === undefined ? site.own(await startSshd()) : undefined;
  const services = { echoing: echoing.port, ssh: sshd?.port ?? 1 };
  await site.agent({ id: 7, url, services });
}, 60_000);

afterAll(async () => await site[Symbol.asyncDispose](), 30_000);

/** Kills the gateway as a power cut would, and starts it anew. */
async function killGateway(): Promise<void> {
  gateway.child.kill("SIGKILL");
  await gateway.child.exited;
  gateway = await site.gateway({ port });
  await gateway.child.line(/agent\.online device=7 /);
}

test(
  "a transfer lives through two kills of the gateway, byte for byte",
  async () => {
    const flags = site.operatorFlags(url, operator);
    const args = ["connect", "7", "echoing", "--listen", "127.0.0.1:0"];
    const listener = site.start([BINARY, ...args, ...flags]);
    const line = await listener.line(/^listening /);
    using client = await dialTest(Number(line.split(":").at(-1)));
    const { socket } = client;
    const sent = new Bun.CryptoHasher("sha256");
    for (let index = 0; index < BLOCKS_COUNT; index++) {
      if (index === 60 || index === 120) await killGateway();
      BLOCK.writeUInt32LE(index, 0);
      const block = Buffer.from(BLOCK);
      sent.update(block);
      if (!socket.write(block)) {
        await new Promise((resolve) => socket.once("drain", resolve));
      }
    }
    socket.end();
    expect(await client.ended).toEqual({
      bytes: BLOCKS_COUNT * BLOCK.length,
      sha256: sent.digest("hex"),
    });
    const said = listener.output().stderr;
    expect(said.match(/coming back/g)?.length).toBe(2);
    expect(said.match(/The tunnel is back after \d+\.\d s/g)?.length).toBe(2);
  },
  60_000,
);

testUnless(sshdMissing())(
  "an ssh session lives through a kill of the gateway",
  async () => {
    const flags = site.operatorFlags(url, operator);
    const go = `${site.dir}/go`;
    const remote = `echo up; until [ -e ${go} ]; do sleep 0.1; done; ` +
      "seq 1 20000 | tail -n 1; exit 7";
    const login = ["-i", sshd?.identityFile ?? "", remote];
    const session = site.start(
      [BINARY, "ssh", `${sshd?.user}@7`, ...flags, "--", ...login],
    );
    await session.line(/^up$/);
    await killGateway();
    await writeFile(go, "");
    expect(await session.line(/^20000$/)).toBe("20000");
    expect(await session.exited).toBe(7);
  },
  60_000,
);

test(
  "a session whose agent was started anew ends with that reason",
  async () => {
    const identity = await site.identity("computer", "again_1");
    const services = { echoing: echoing.port };
    const options = { id: 8, url, services, identity, name: "again" };
    const agent = await site.agent(options);
    const flags = site.operatorFlags(url, operator);
    const args = ["connect", "8", "echoing", "--listen", "127.0.0.1:0"];
    const listener = site.start([BINARY, ...args, ...flags]);
    const line = await listener.line(/^listening /);
    using client = await dialTest(Number(line.split(":").at(-1)));
    client.socket.write("hello");
    await new Promise((resolve) => client.socket.once("data", resolve));
    agent.child.kill("SIGKILL");
    await agent.child.exited;
    await site.agent(options);
    expect(await listener.line(/^migasfree-agent: /, 20_000))
      .toBe("migasfree-agent: The agent was restarted: the session is lost");
  },
  60_000,
);
