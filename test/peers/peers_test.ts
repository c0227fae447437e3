import { expect } from "bun:test";
import { randomBytes } from "node:crypto";
import { eventually, quiet } from "../support/eventually.ts";
import { pythonPeersMissing } from "../support/python_peer.ts";
import { sshdMissing, startSshd } from "../support/sshd.ts";
import { dialTest, echoOnce, serveTcp } from "../support/tcp_peer.ts";
import { standstill } from "../support/standstill.ts";
import { testUnless } from "../support/test_unless.ts";
import { fakeCommand, PythonTrio } from "./python_trio.ts";
import { sshThrough } from "./ssh_through.ts";
import { SwapService, whole } from "./swap.ts";

const test = testUnless(pythonPeersMissing);
const SWAP_BYTES = 8 * 1024 * 1024;
const BLOCK = randomBytes(64 * 1024);
const STILL_TURNS = 200;
/** More than all buffers on the way hold. */
const MUCH_BYTES = 32 * 1024 * 1024;

testUnless(pythonPeersMissing ?? sshdMissing())(
  "relay.py carries ssh from connect.py to agent.py",
  async () => {
    await using sshd = await startSshd();
    await using trio = await PythonTrio.start();
    await trio.agent(7, { ssh: sshd.port });
    await trio.relay.event("registered");
    const operator = await trio.connect(7);
    const { status, stdout } = await sshThrough(
      operator.port,
      sshd,
      "echo far away; exit 42",
    );
    expect({ status, stdout }).toEqual({ status: 42, stdout: "far away\n" });
  },
  30_000,
);

for (const flags of [[], ["--no-deflate"]]) {
  test(`relay.py ${flags} carries 8 MiB each way`, async () => {
    await using swap = await SwapService.start(SWAP_BYTES);
    await using trio = await PythonTrio.start(...flags);
    await trio.agent(7, { vnc: swap.port });
    await trio.relay.event("registered");
    const operator = await trio.connect(7, "--service", "vnc");
    const swapped = await swap.swap(operator.port);
    expect(swapped).toEqual(whole(swapped));
    const hand = await trio.relay.event("handshake", {
      server_ip: "127.0.0.1",
    });
    expect(hand).toMatchObject({
      path: "/tunnel",
      agent: "7",
      asked_subprotocols: null,
      deflate: flags.length === 0,
    });
  }, 30_000);
}

test("connect.py and web_console.py show a command's output and status", async () => {
  const script = 'echo "said $*"; echo aside >&2; exit 3';
  await using command = await fakeCommand(script);
  await using trio = await PythonTrio.start();
  const agent = await trio.agent(7, {}, [], command.env);
  await trio.relay.event("registered");
  const flags = ["-e", "migasfree 'a b' c"];
  for (
    const operator of [
      await trio.connect(7, ...flags),
      await trio.console(7, ...flags),
    ]
  ) {
    expect(await operator.exited).toBe(3);
    const heard = operator.events("output")
      .map(({ stream, data }) => `${stream}: ${data}`);
    expect(heard.sort()).toEqual(["stderr: aside\n", "stdout: said a b c\n"]);
    expect(operator.events("exit")).toMatchObject([{ code: 3 }]);
  }
  // The web console's word before it: no agent has a port for it.
  expect(agent.events("start_failed")).toMatchObject([{ service: "exec" }]);
});

test("agent.py runs what a shell makes of a command only as 1.0.7", async () => {
  await using command = await fakeCommand("true");
  await using trio = await PythonTrio.start();
  await trio.agent(7, {}, ["--as-version", "1.0.7"], command.env);
  await trio.agent(8, {}, ["--as-version", "1.0.13"], command.env);
  await trio.relay.event("registered", {}, 2);
  const two = ["-e", "migasfree x; echo injected"];
  const old = await trio.console(7, ...two);
  expect(await old.exited).toBe(0);
  expect(old.events("output")).toMatchObject([{ data: "injected\n" }]);
  const recent = await trio.console(8, ...two);
  expect(await recent.exited).toBe(0);
  expect(recent.events("output")).toEqual([]);
  const other = await trio.console(8, "-e", "id");
  expect(await other.exited).toBe(1);
  expect(other.events("exec_failed")).toMatchObject([
    { error: 'Command "id" not allowed. Allowed: migasfree' },
  ]);
});

test("agent.py never completes a command with a line over 64 KiB", async () => {
  await using command = await fakeCommand("head -c 1000000 /dev/zero");
  await using trio = await PythonTrio.start();
  const agent = await trio.agent(7, {}, [], command.env);
  await trio.relay.event("registered");
  const operator = await trio.console(7, "-e", "migasfree");
  await agent.event("line_too_long");
  expect(operator.events("exit")).toEqual([]);
});

for (const flags of [[], ["--fix", "head-of-line"]]) {
  const blocks = flags.length === 0 ? "stop" : "not stop, mended,";
  test(
    `relay.py lets one operator who does not read ${blocks} another`,
    async () => {
      let pouredBytes = 0;
      await using sending = await serveTcp((socket) => {
        const pour = () => {
          while (pouredBytes < MUCH_BYTES) {
            pouredBytes += BLOCK.length;
            if (!socket.write(BLOCK)) return;
          }
        };
        socket.on("drain", pour);
        pour();
      });
      await using echoing = await serveTcp((socket) =>
        void socket.pipe(socket)
      );
      await using trio = await PythonTrio.start("--no-deflate", ...flags);
      await trio.agent(7, { rdp: sending.port, ssh: echoing.port });
      await trio.relay.event("registered");
      const other = await trio.connect(7);
      using client = await dialTest(other.port);
      await echoOnce(client.socket, 1);
      const slow = await trio.connect(7, "--service", "rdp");
      using stuck = await dialTest(slow.port);
      stuck.socket.pause();
      await slow.event("tunnel_started");
      await eventually("it flows", () => pouredBytes > 1_000_000);
      await standstill(() => pouredBytes, STILL_TURNS);
      let isHeard = false;
      const echo = echoOnce(client.socket, 1).then(() => isHeard = true);
      if (flags.length === 0) {
        await quiet(() => isHeard);
        expect(isHeard).toBe(false);
        stuck.socket.resume();
      }
      expect(await echo).toBe(true);
    },
    30_000,
  );
}
