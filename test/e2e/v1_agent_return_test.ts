import { expect } from "bun:test";
import { connect, type Socket } from "node:net";
import { fakeCommand } from "../peers/python_trio.ts";
import { pythonPeersMissing } from "../support/python_peer.ts";
import { dialTest, echoOnce, serveTcp } from "../support/tcp_peer.ts";
import { testUnless } from "../support/test_unless.ts";
import { V1AgentSite } from "./v1_agent_site.ts";

// Most of their time is waiting: they wait together.
const test = testUnless(pythonPeersMissing);

/** Both sides of a connection that goes through a front. */
interface Pair {
  readonly near: Socket;
  readonly far: Socket;
}

test.concurrent(
  "item 13: a relay that forgets us at the end of an old link is told again",
  async () => {
    let port = 0;
    const pairs: Pair[] = [];
    await using front = await serveTcp((near) => {
      const far = connect({ port, host: "127.0.0.1", allowHalfOpen: true });
      far.on("error", () => near.destroy());
      near.on("data", (data) => void far.write(data));
      far.on("data", (data) => void near.write(data));
      pairs.push({ near, far });
    });
    await using echoing = await serveTcp((socket) => void socket.pipe(socket));
    await using made = await V1AgentSite.start(
      ...["--public-url", `ws://127.0.0.1:${front.port}/tunnel`],
    );
    port = made.relay.port;
    const child = await made.agent({ services: { ssh: echoing.port } });
    await child.line(/link\.open /);
    // As behind a NAT that has forgotten: one side ends, the other never hears.
    const before = [...pairs];
    for (const { near } of before) near.destroy();
    await made.relay.event("registered", { id: 7 }, 2);
    expect(made.relay.events("unregistered")).toEqual([]);
    for (const { far } of before) far.destroy();
    // Upstream's fault: the end of the first removes what the second has said.
    await made.relay.event("unregistered", { id: 7 });
    await made.relay.event("registered", { id: 7 }, 3, 25_000);
    const operator = await made.trio.console(7);
    using client = await dialTest(operator.port);
    await echoOnce(client.socket, 1000);
    for (const { near, far } of pairs) {
      near.destroy();
      far.destroy();
    }
  },
  60_000,
);

test.concurrent(
  "a link that is lost ends a command's output, and a new one is served",
  async () => {
    await using made = await V1AgentSite.start();
    const command = made.site.own(
      await fakeCommand("echo begun; exec sleep 2"),
    );
    const exec = `allow = [["${command.path}", "*"]]`;
    const child = await made.agent({ exec });
    await child.line(/link\.open /);
    const first = await made.trio.console(7, "-e", `${command.path} first`);
    await first.event("output");
    made.relay.order({ do: "drop", id: 7 });
    await made.relay.event("registered", { id: 7 }, 2);
    const second = await made.trio.console(7, "-e", `${command.path} second`);
    expect(await second.exited).toBe(0);
    expect(second.events("output")).toMatchObject([{ data: "begun\n" }]);
  },
  60_000,
);
