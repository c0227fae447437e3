import { afterAll, beforeAll, expect } from "bun:test";
import {
  type ClusterGateway,
  startClusterGateway,
} from "../support/cluster.ts";
import { type Haproxy, startHaproxy } from "../support/haproxy.ts";
import { openEcho, startListener } from "../support/listener.ts";
import { operate } from "../support/operator.ts";
import { Redis, redisMissing } from "../support/redis.ts";
import { BINARY, type Identity, Site } from "../support/site.ts";
import { type Sshd, sshdMissing, startSshd } from "../support/sshd.ts";
import { dialTest, serveTcp, type TestServer } from "../support/tcp_peer.ts";
import {
  missingProgram,
  notLinux,
  testUnless,
} from "../support/test_unless.ts";
import { sendRandom } from "../support/transfer.ts";

// Three gateways behind HAProxy, which sends each caller to the next one.
const missing = redisMissing() ?? missingProgram("haproxy") ?? notLinux();
const test = testUnless(missing);

const NAMES = ["one", "two", "three"];

let site: Site;
let redis: Redis;
let gateways: ClusterGateway[];
let haproxy: Haproxy;
let operator: Identity;
let echo: TestServer;
let sshd: Sshd | undefined;

beforeAll(async () => {
  if (missing !== undefined) return;
  site = await Site.create();
  redis = site.own(await Redis.start());
  gateways = await Promise.all(
    NAMES.map((name) => startClusterGateway(site, redis, name, "behindProxy")),
  );
  const ports = gateways.map(({ port }) => port);
  haproxy = site.own(await startHaproxy(site, ports));
  operator = await site.identity("operator", "maria");
  echo = site.own(await serveTcp((socket) => void socket.pipe(socket)));
  sshd = sshdMissing() === undefined ? site.own(await startSshd()) : undefined;
  const services = { echo: echo.port, ssh: sshd?.port ?? 1 };
  await site.agent({ id: 7, url: haproxy.url, services });
}, 60_000);

afterAll(async () => await site?.[Symbol.asyncDispose](), 30_000);

/** The gateway that the agent's control link is at, once there is one. */
async function home(deviceId: number): Promise<ClusterGateway> {
  for (let left = 200; left > 0; left--) {
    const gateway = homeNow(deviceId);
    if (gateway) return gateway;
    await Bun.sleep(50);
  }
  throw new Error(`Device ${deviceId} is at no gateway`);
}

function homeNow(deviceId: number): ClusterGateway | undefined {
  const last = gateways.map((gateway) => {
    const lines = gateway.child.output().stderr.split("\n");
    const about = lines.findLast((line) =>
      line.includes(` device=${deviceId} `) && /agent\.o(n|ff)line/.test(line)
    );
    return { gateway, isOn: about?.includes("agent.online") ?? false };
  });
  return last.find(({ isOn }) => isOn)?.gateway;
}

async function ready(gateway: ClusterGateway): Promise<unknown> {
  const url = `http://127.0.0.1:${gateway.port}/tunnel/ready`;
  return await (await fetch(url)).json();
}

/** Its keys are in Redis a moment before it says that Redis is back. */
async function allReady(): Promise<void> {
  const isUp = { ready: true, redis: "up" };
  for (let left = 200; left > 0; left--) {
    const answers = await Promise.all(gateways.map(ready));
    if (answers.every((answer) => Bun.deepMatch(isUp, answer))) return;
    await Bun.sleep(50);
  }
  throw new Error("Not all gateways are ready");
}

async function openTransfer() {
  const { child, port } = await startListener(
    ...[site, haproxy.url, operator, "7", "echo"] as const,
  );
  return { child, client: await dialTest(port) };
}

test("tunnels get through, whichever gateways their ends come to", async () => {
  for (let count = 0; count < 9; count++) {
    using tunnel = await openEcho(site, haproxy.url, operator, "7");
    await tunnel.echo();
  }
  const logs = gateways.map(({ child }) => child.output().stderr);
  // Of nine times two links, most were at the wrong gateway.
  const carried = logs.join("").match(/forward\.open /g)?.length ?? 0;
  expect(carried).toBeGreaterThan(5);
}, 60_000);

testUnless(missing ?? sshdMissing())(
  "ssh gets through",
  async () => {
    for (let count = 0; count < 3; count++) {
      const flags = site.operatorFlags(haproxy.url, operator);
      const login = ["-i", sshd?.identityFile ?? "", "echo it works; exit 7"];
      const session = site.start(
        [BINARY, "ssh", `${sshd?.user}@7`, ...flags, "--", ...login],
      );
      await session.line(/^it works$/);
      expect(await session.exited).toBe(7);
    }
  },
  60_000,
);

test(
  "a gateway's kill moves its agents, and a transfer goes on through the others, byte for byte",
  async () => {
    const { child, client } = await openTransfer();
    using _client = client;
    let killed: ClusterGateway | undefined;
    const sent = await sendRandom(client.socket, 192, async (index) => {
      if (index !== 60 && index !== 120) return;
      await killed?.restart();
      killed = await home(7);
      await killed.kill();
      const others = gateways.filter((gateway) => gateway !== killed);
      await Promise.any(
        others.map((one) => one.child.line(/agent\.online device=7 /)),
      );
    });
    expect(await client.ended).toEqual(sent);
    const said = child.output().stderr;
    expect(said.match(/coming back/g)?.length).toBeGreaterThan(0);
    await killed?.restart();
  },
  90_000,
);

test(
  "Redis dies and comes back while tunnels move bytes, and nothing is lost",
  async () => {
    using standing = await openEcho(site, haproxy.url, operator, "7");
    const { client } = await openTransfer();
    using _client = client;
    const sent = await sendRandom(client.socket, 96, async (index) => {
      if (index === 30) {
        await redis.kill();
        for (const { child } of gateways) await child.line(/redis\.away /);
      }
      if (index === 60) await redis.restart();
    });
    expect(await client.ended).toEqual(sent);
    await standing.echo();
    await redis.textsWhen<{ load: number }>(
      "tunnel:*",
      (texts) => texts.length === 3 && texts.some(({ load }) => load === 1),
    );
    await redis.textsWhen("agent:7", (texts) => texts.length === 1);
    await allReady();
    using again = await openEcho(site, haproxy.url, operator, "7");
    await again.echo();
  },
  90_000,
);

test(
  "a gateway dies while Redis is away, and a transfer goes on through the others",
  async () => {
    const { child, client } = await openTransfer();
    using _client = client;
    const killed = await home(7);
    const sent = await sendRandom(client.socket, 96, async (index) => {
      if (index === 20) await redis.kill();
      if (index === 40) await killed.kill();
    });
    expect(await client.ended).toEqual(sent);
    expect(child.output().stderr).toContain("coming back");
    await redis.restart();
    await killed.restart();
  },
  90_000,
);

test(
  "without Redis a gateway serves its own devices, and says so once",
  async () => {
    const gateway = await home(7);
    const direct = await startHaproxy(site, gateway.port);
    await using _direct = direct;
    await redis.kill();
    const before = gateway.child.output().stderr.match(/redis\.away /g)?.length;
    using tunnel = await openEcho(site, direct.url, operator, "7");
    await tunnel.echo();
    const args = ["connect", "99", "ssh", "--stdio"];
    const { sentence } = await operate(site, direct.url, operator, args);
    expect(sentence).toBe(
      "Cannot tell where device 99 is: Redis does not answer",
    );
    expect(await ready(gateway)).toMatchObject({ ready: true, redis: "away" });
    const after = gateway.child.output().stderr.match(/redis\.away /g)?.length;
    expect((after ?? 0) - (before ?? 0)).toBeLessThanOrEqual(1);
    await redis.restart();
  },
  60_000,
);
