import { expect } from "bun:test";
import { connect, type Socket } from "node:net";
import { fakeCommand, tlsFlags } from "../peers/python_trio.ts";
import { runChild } from "../support/child.ts";
import { PythonPeer, pythonPeersMissing } from "../support/python_peer.ts";
import { Redis } from "../support/redis.ts";
import { BINARY, Site } from "../support/site.ts";
import { dialTest, echoOnce, serveTcp } from "../support/tcp_peer.ts";
import { missingProgram, testUnless } from "../support/test_unless.ts";
import { gatewayIdentity } from "./v1_operator_site.ts";

const test = testUnless(
  pythonPeersMissing ?? missingProgram("redis-server"),
);

function splice(near: Socket, port: number): void {
  const far = connect(port, "127.0.0.1");
  near.pipe(far).pipe(near);
  near.once("close", () => far.destroy());
  far.once("close", () => near.destroy());
  far.once("error", () => near.destroy());
}

test(
  "item 58: a device at another relay is found on another handshake",
  async () => {
    await using site = await Site.create();
    const redis = site.own(await Redis.start());
    // As a proxy that has forgotten where the agent is: each in its turn.
    const ports: number[] = [];
    let turn = 0;
    const front = site.own(
      await serveTcp((near) => splice(near, ports[turn++ % ports.length] ?? 0)),
    );
    const url = `wss://localhost:${front.port}/tunnel`;
    const relayFlags = [
      ...["--http-register", "--redis", redis.url, "--public-url", url],
      ...tlsFlags(gatewayIdentity(site)),
    ];
    const relays = [];
    for (let count = 0; count < 3; count++) {
      const relay = site.own(await PythonPeer.start("relay", relayFlags));
      relays.push(relay);
      ports.push(relay.port);
    }
    await using echoing = await serveTcp((socket) => void socket.pipe(socket));
    const command = site.own(await fakeCommand("echo there"));
    const agent = site.own(
      await PythonPeer.start("agent", [
        ...["--id", "7", "--manager", `https://localhost:${front.port}`],
        ...["--service", `ssh=${echoing.port}`],
        ...tlsFlags(await site.identity("computer", "uuid-7_1")),
      ], command.env),
    );
    await agent.event("registered");
    const operator = await site.identity("operator", "maria");
    const flags = site.operatorFlags(url, operator);
    for (let round = 0; round < 3; round++) {
      const { status, stdout, stderr } = await runChild(
        [BINARY, "exec", "7", ...flags, "--", "migasfree", "sync"],
        { env: { HOME: site.dir } },
      );
      expect([status, stdout, status === 0 ? "" : stderr])
        .toEqual([0, "there\n", ""]);
    }
    const child = site.start(
      [BINARY, "connect", "7", "ssh", "--listen", "127.0.0.1:0", ...flags],
    );
    const line = await child.line(/^listening /);
    for (let round = 0; round < 3; round++) {
      using client = await dialTest(Number(line.split(":").at(-1)));
      await echoOnce(client.socket, 1000);
    }
    const strays = relays.flatMap((relay) => relay.events("not_found"));
    expect(strays.length).toBeGreaterThan(0);
  },
  60_000,
);
