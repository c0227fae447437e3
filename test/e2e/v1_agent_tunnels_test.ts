import { expect } from "bun:test";
import type { Socket } from "node:net";
import { sshdMissing, startSshd } from "../support/sshd.ts";
import { eventually } from "../support/eventually.ts";
import {
  type PeerEvent,
  type PythonPeer,
  pythonPeersMissing,
} from "../support/python_peer.ts";
import { dialTest, echoOnce, flood, serveTcp } from "../support/tcp_peer.ts";
import { testUnless } from "../support/test_unless.ts";
import { sshThrough } from "../peers/ssh_through.ts";
import { SwapService, whole } from "../peers/swap.ts";
import { V1AgentSite } from "./v1_agent_site.ts";

const test = testUnless(pythonPeersMissing);

const SWAP_BYTES = 8 * 1024 * 1024;
/** More than what the buffers of all sockets on the way hold. */
const FULL_BYTES = 20 * 1024 * 1024;
/** Others may wait a little while one is full, but never for its reader. */
const SLOW_MAX_MS = 8_000;
const HEX_MESSAGE_MAX_BYTES = 10_000_000;

/**
 * What the relay has heard from the agent, but for its registration, and the
 * tunnel to itself by which it looks whether it is still registered.
 */
function fromAgent(relay: PythonPeer): PeerEvent[] {
  return relay.events("message", { side: "agent" })
    .filter(({ message, type }) =>
      type !== "register_agent" &&
      !String(Object(message).tunnel_id).startsWith("self-")
    );
}

function echo(socket: Socket): void {
  socket.pipe(socket);
}

test(
  "item 15: what the agent sends is lower-case hex of an agent, in bounds",
  async () => {
    await using swap = await SwapService.start(SWAP_BYTES);
    await using made = await V1AgentSite.start("--trace");
    await made.agent({ services: { vnc: swap.port } });
    const operator = await made.trio.connect(7, "--service", "vnc");
    const swapped = await swap.swap(operator.port);
    expect(swapped).toEqual(whole(swapped));
    const sent = fromAgent(made.relay);
    expect(sent.length).toBeGreaterThan(1);
    const wrong = sent.filter(({ type, length, message }) =>
      type !== "tunnel_data" || Number(length) >= HEX_MESSAGE_MAX_BYTES ||
      !Bun.deepMatch({ origin: "agent", lower_hex: true }, Object(message))
    );
    expect(wrong).toEqual([]);
  },
  30_000,
);

for (const service of ["ssh", "gopher"]) {
  test(
    `item 16: the operator of a service that cannot be had (${service}) is told`,
    async () => {
      const gone = await serveTcp(echo);
      await gone[Symbol.asyncDispose]();
      await using made = await V1AgentSite.start("--trace");
      await made.agent({ services: { ssh: gone.port } });
      const operator = await made.trio.connect(7, "--service", service);
      using _client = await dialTest(operator.port);
      const { tunnel } = await operator.event("tunnel_closed");
      expect(fromAgent(made.relay)).toMatchObject([
        { type: "close_tunnel", message: { "tunnel_id": tunnel } },
      ]);
    },
    30_000,
  );
}

test(
  "item 17: the end of a service is its last bytes, then close_tunnel",
  async () => {
    await using ending = await serveTcp((socket) => void socket.end("goodbye"));
    await using echoing = await serveTcp(echo);
    await using made = await V1AgentSite.start("--trace");
    await made.agent({ services: { vnc: ending.port, ssh: echoing.port } });
    const operator = await made.trio.connect(7, "--service", "vnc");
    using client = await dialTest(operator.port);
    const heard = new Promise<string>((resolve) =>
      client.socket.once("data", (data) => resolve(data.toString()))
    );
    expect(await heard).toBe("goodbye");
    await operator.event("tunnel_closed");
    expect(fromAgent(made.relay).map(({ type }) => type)).toEqual([
      "tunnel_data",
      "close_tunnel",
    ]);
    // The close_tcp_tunnel that comes back is nothing new.
    const other = await made.trio.connect(7);
    using still = await dialTest(other.port);
    await echoOnce(still.socket, 1);
    expect(made.relay.events("closed", { role: "agent" })).toEqual([]);
  },
  30_000,
);

test("item 18: bytes that come with the start arrive in order", async () => {
  const heard: Buffer[] = [];
  await using service = await serveTcp((socket) => {
    socket.on("data", (data: Buffer) => void heard.push(data));
  });
  await using made = await V1AgentSite.start();
  await made.agent({ services: { ssh: service.port } });
  const send = (message: object) =>
    made.relay.order({ do: "send", id: 7, text: JSON.stringify(message) });
  const id = { "tunnel_id": "early" };
  send({ type: "start_tcp_tunnel", ...id, service: "ssh", "client_cn": null });
  const blocks = Array.from(
    { length: 200 },
    (_, index) => Buffer.alloc(1_000, index),
  );
  for (const block of blocks) {
    send({ type: "tunnel_data", ...id, data: block.toString("hex") });
  }
  await eventually(
    "all is there",
    () => Buffer.concat(heard).length >= 200_000,
  );
  expect(Buffer.concat(heard).equals(Buffer.concat(blocks))).toBe(true);
}, 30_000);

test(
  "items 14, 19: a service that does not read stops its own tunnel only",
  async () => {
    await using deaf = await serveTcp((socket) => void socket.pause());
    await using echoing = await serveTcp(echo);
    await using made = await V1AgentSite.start(
      ...["--no-deflate", "--ping-seconds", "1", "--pong-seconds", "15"],
    );
    await made.agent({ services: { vnc: deaf.port, ssh: echoing.port } });
    const good = await made.trio.connect(7);
    using client = await dialTest(good.port);
    await echoOnce(client.socket, 1);
    const bad = await made.trio.connect(7, "--service", "vnc");
    using sender = await dialTest(bad.port);
    flood(sender.socket);
    await bad.event("tunnel_started");
    const { socket } = sender;
    await eventually("all is full", () => socket.bytesWritten > FULL_BYTES);
    for (let round = 0; round < 2; round++) {
      expect(await echoOnce(client.socket, 10_000)).toBeLessThan(SLOW_MAX_MS);
    }
    using another = await dialTest(good.port);
    await echoOnce(another.socket, 1);
    expect(made.relay.events("closed", { role: "agent" })).toEqual([]);
    expect(made.relay.events("registered")).toHaveLength(1);
  },
  60_000,
);

test(
  "item 20: the web console's tunnel for exec is closed, and does no harm",
  async () => {
    await using made = await V1AgentSite.start("--trace");
    const program = await made.execAgent('echo "ran $*"');
    const console = await made.trio.console(7, "-e", `${program} sync`);
    expect(await console.exited).toBe(0);
    expect(console.events("output")).toMatchObject([{ data: "ran sync\n" }]);
    expect(made.relay.events("closed", { role: "agent" })).toEqual([]);
  },
  30_000,
);

testUnless(pythonPeersMissing ?? sshdMissing())(
  "the agent carries ssh through upstream's relay",
  async () => {
    await using sshd = await startSshd();
    await using made = await V1AgentSite.start();
    await made.agent({ services: { ssh: sshd.port } });
    const operator = await made.trio.connect(7);
    const { status, stdout } = await sshThrough(
      operator.port,
      sshd,
      "seq 100000 | sha256sum; exit 42",
    );
    const sum = new Bun.CryptoHasher("sha256")
      .update(Array.from({ length: 100_000 }, (_, n) => `${n + 1}\n`).join(""))
      .digest("hex");
    expect({ status, stdout }).toEqual({ status: 42, stdout: `${sum}  -\n` });
  },
  30_000,
);
