import { existsSync } from "node:fs";
import { resolve } from "node:path";
import { type Child, startChild } from "../test/support/child.ts";
import { BINARY, Site } from "../test/support/site.ts";
import type { BenchPath, OpenPath } from "./bench_path.ts";

const PEERS = resolve(import.meta.dir, "../test/peers");
const V1_PEER = resolve(import.meta.dir, "v1_peer.ts");
const PYTHON = "/usr/bin/python3";

/** Peers of protocol 1 at both ends of our gateway, mTLS on both hops. */
export const V1_PATH: BenchPath = {
  name: "gateway, protocol 1",
  what: "two peers of protocol 1 at our gateway; mTLS on both hops",
  missing: () => existsSync(BINARY) ? undefined : "run ./scripts/build first",
  open: async (servicePort) => {
    const site = await Site.create();
    const { child: gateway, url } = await site.gateway();
    const agent = await site.identity("computer", "uuid_1");
    const operator = await site.identity("operator", "bench");
    const run = ["bun", V1_PEER];
    const far = site.start([
      ...[...run, "agent", url, String(servicePort)],
      ...[agent.ca_file, agent.cert_file, agent.key_file],
    ]);
    await far.line(/^ready/);
    const near = site.start([
      ...[...run, "operator", url],
      ...[operator.ca_file, operator.cert_file, operator.key_file],
    ]);
    const port = portIn(await near.line(/^listening /));
    return {
      port,
      pids: { gateway: gateway.pid },
      [Symbol.asyncDispose]: () => site[Symbol.asyncDispose](),
    };
  },
};

/** The same with programs in Python that do as upstream's do; no TLS. */
export const PYTHON_PATH: BenchPath = {
  name: "python, protocol 1",
  what: "relay, agent and operator in Python, as upstream's; no TLS",
  missing: () =>
    Bun.spawnSync([PYTHON, "-c", "import websockets"]).exitCode === 0
      ? undefined
      : "python3-websockets is not installed",
  open: openPython,
};

async function openPython(servicePort: number): Promise<OpenPath> {
  const children: Child[] = [];
  const start = (name: string, ...args: string[]) => {
    const argv = [PYTHON, `${PEERS}/${name}.py`, ...args];
    // Their standard input takes orders: it must be something to wait for.
    const child = startChild(argv, { stdin: "pipe" });
    children.push(child);
    return child;
  };
  const relay = start("relay", "--port", "0");
  const url = `ws://127.0.0.1:${
    portIn(await relay.line(/^listening /))
  }/tunnel`;
  const service = `bench=${servicePort}`;
  const agent = start(
    "agent",
    ...["--id", "7", "--relay", url, "--service", service],
  );
  await agent.line(/"registered"/);
  const operator = start(
    "connect",
    ...["-a", "7", "--relay", url, "--service", "bench", "-p", "0"],
  );
  return {
    port: portIn(await operator.line(/^listening /)),
    pids: { relay: relay.pid },
    [Symbol.asyncDispose]: async () => {
      for (const child of children.reverse()) {
        await child[Symbol.asyncDispose]();
      }
    },
  };
}

function portIn(line: string): number {
  return Number(line.trim().split(":").at(-1));
}
