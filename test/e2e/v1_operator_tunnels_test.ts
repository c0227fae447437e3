import { expect } from "bun:test";
import type { Socket } from "node:net";
import { SwapService, whole } from "../peers/swap.ts";
import { eventually } from "../support/eventually.ts";
import { pythonPeersMissing } from "../support/python_peer.ts";
import { Site } from "../support/site.ts";
import { sshdMissing, startSshd } from "../support/sshd.ts";
import { dialTest, echoOnce, flood, serveTcp } from "../support/tcp_peer.ts";
import { testUnless } from "../support/test_unless.ts";
import { V1OperatorSite } from "./v1_operator_site.ts";

// Some mostly wait: they do it together (concurrent).
const test = testUnless(pythonPeersMissing);

const SWAP_BYTES = 8 * 1024 * 1024;
/** More than what the buffers of all sockets on the way hold. */
const FULL_BYTES = 12 * 1024 * 1024;
/** Others may wait a little while one is full, but never for its reader. */
const SLOW_MAX_MS = 8_000;

function echo(socket: Socket): void {
  socket.pipe(socket);
}

test(
  "items 53, 56, 57, 62: the operator shows its certificate and the integer id",
  async () => {
    await using swap = await SwapService.start(SWAP_BYTES);
    await using made = await V1OperatorSite.start("--trace");
    const agent = await made.trio.agent(7, { vnc: swap.port });
    await made.relay.event("registered");
    const { port } = await made.listen("CID-7", "vnc");
    const swapped = await swap.swap(port);
    expect(swapped).toEqual(whole(swapped));
    const ours = made.relay.events("handshake", { asked_subprotocols: null })
      .filter(({ subject }) => /OU=ADMINS\/CN=maria$/.test(String(subject)));
    expect(ours).toMatchObject([{ path: "/tunnel", agent: "7" }]);
    const started = made.relay.events("message", { type: "start_tcp_tunnel" });
    expect(started).toMatchObject([{
      side: "operator",
      message: { id: 7, service: "vnc", "client_cn": "maria" },
    }]);
    expect(await agent.event("tunnel_started")).toMatchObject({
      "client_cn": "maria",
    });
  },
  60_000,
);

test(
  "item 54: a site of another CA is refused, with all that is asked of it",
  async () => {
    await using made = await V1OperatorSite.start();
    await using other = await Site.create();
    const stranger = await other.identity("operator", "maria");
    const identity = { ...made.tls.operator, "ca_file": stranger.ca_file };
    for (const command of [["devices"], ["exec", "7"]]) {
      const after = command.length > 1 ? ["--", "migasfree", "sync"] : [];
      const { status, stderr } = await made.run(command, after, identity);
      expect([status, stderr]).toEqual([77, expect.stringMatching(/\S/)]);
    }
    expect(made.relay.events("handshake")).toEqual([]);
  },
  30_000,
);

test(
  "item 55: all devices are listed, and each is found",
  async () => {
    await using made = await V1OperatorSite.start();
    const ids = [1, 2, 3, 4, 5];
    for (const id of ids) await made.trio.agent(id, {});
    await made.relay.event("registered", {}, 5);
    const { status, stdout, stderr } = await made.run(["devices", "--json"]);
    expect([status, status === 0 ? "" : stderr]).toEqual([0, ""]);
    const devices: { id: number; online: boolean }[] = JSON.parse(stdout);
    expect(devices.map(({ id, online }) => [id, online])).toEqual(
      ids.map((id) => [id, true]),
    );
    const [asked] = made.relay.events("agents_listed");
    expect(Number(Object(asked?.["query"]).limit)).toBeGreaterThan(2);
    for (const id of ids) {
      const { status, stderr } = await made.run(["exec", `CID-${id}`], [
        ...["--", "id"],
      ]);
      expect([id, status]).toEqual([id, 77]);
      expect(stderr).toContain('Command "id" not allowed');
    }
    const gone = await made.run(["exec", "9"], ["--", "migasfree"]);
    expect(gone.status).toBe(69);
  },
  60_000,
);

test.concurrent(
  "item 59: a service that an old agent cannot reach is reported",
  async () => {
    const gone = await serveTcp(echo);
    await gone[Symbol.asyncDispose]();
    await using made = await V1OperatorSite.start();
    await made.trio.agent(7, { ssh: gone.port });
    await made.relay.event("registered");
    const { child, port } = await made.listen("7", "ssh");
    using client = await dialTest(port);
    const line = await child.line(/^migasfree-agent: /, 25_000);
    expect(line).toMatch(/ssh said nothing in 15 s/);
    await eventually("the client is told", () => client.socket.closed);
  },
  40_000,
);

test.concurrent(
  "item 61: a local client that does not read does not stop the relay",
  async () => {
    let sentBytes = () => 0;
    await using sending = await serveTcp((socket) => {
      sentBytes = () => socket.bytesWritten;
      flood(socket);
    });
    await using echoing = await serveTcp(echo);
    await using made = await V1OperatorSite.start("--no-deflate");
    await made.trio.agent(7, { vnc: sending.port, ssh: echoing.port });
    await made.relay.event("registered");
    const good = await made.trio.connect(7);
    using client = await dialTest(good.port);
    await echoOnce(client.socket, 1);
    const bad = await made.listen("7", "vnc");
    using stuck = await dialTest(bad.port);
    stuck.socket.pause();
    await eventually("all is full", () => sentBytes() > FULL_BYTES);
    for (let round = 0; round < 2; round++) {
      expect(await echoOnce(client.socket, 1000)).toBeLessThan(SLOW_MAX_MS);
    }
  },
  60_000,
);

test(
  "item 60: the end of the local connection is told, and ends the tunnel",
  async () => {
    let open = 0;
    await using echoing = await serveTcp((socket) => {
      open++;
      socket.once("close", () => void open--);
      echo(socket);
    });
    await using made = await V1OperatorSite.start("--trace");
    await made.trio.agent(7, { ssh: echoing.port });
    await made.relay.event("registered");
    const { port } = await made.listen("7", "ssh");
    using client = await dialTest(port);
    await echoOnce(client.socket, 1000);
    client.socket.destroy();
    await made.relay.event("message", {
      side: "operator",
      type: "close_tunnel",
    });
    await made.relay.event("closed", { role: "operator" });
    await eventually("the service has gone", () => open === 0);
  },
  30_000,
);

test(
  "item 60: tunnel_closed ends the local connection, after the last bytes",
  async () => {
    await using ending = await serveTcp((socket) => void socket.end("goodbye"));
    await using made = await V1OperatorSite.start("--fix", "tunnel-closed");
    await made.trio.agent(7, { vnc: ending.port });
    await made.relay.event("registered");
    const { port } = await made.listen("7", "vnc");
    using client = await dialTest(port);
    expect(await client.ended).toMatchObject({ bytes: "goodbye".length });
  },
  30_000,
);

testUnless(pythonPeersMissing ?? sshdMissing())(
  "the operator's ssh works through upstream's relay and agent",
  async () => {
    await using sshd = await startSshd();
    await using made = await V1OperatorSite.start();
    await made.trio.agent(7, { ssh: sshd.port });
    await made.relay.event("registered");
    const { status, stdout } = await made.run(["ssh", `${sshd.user}@7`], [
      ...["--", "-i", sshd.identityFile, "echo far away; exit 42"],
    ]);
    expect({ status, stdout }).toEqual({ status: 42, stdout: "far away\n" });
  },
  30_000,
);
