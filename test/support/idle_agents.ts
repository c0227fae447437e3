/**
 * A gateway with some thousand idle agents, whose links are no sockets: prints
 * how many objects the heap has more for each of them. In a process of its
 * own, so that nothing else makes or drops any.
 */

import { heapStats } from "bun:jsc";
import { Gateway } from "../../src/gateway/gateway.ts";
import { GatewayMetrics } from "../../src/gateway/metrics.ts";
import { randomHex } from "../../src/protocol/id.ts";
import { ResumeTokens } from "../../src/protocol/resume_token.ts";
import {
  CONTROL_PATH,
  CONTROL_SUBPROTOCOL,
} from "../../src/protocol/version.ts";
import { bunClock } from "../../src/runtime/bun_clock.ts";
import type { Link, LinkHandlers } from "../../src/transport/link.ts";
import { Heartbeats } from "../../src/transport/heartbeats.ts";
import { ANY_DEVICE } from "./any_device.ts";
import { settle } from "./manual_clock.ts";

/** What is made once comes with the first ones. */
const WARM_COUNT = 200;
const AGENT_COUNT = 2_000;

/** One object, and nothing behind it. */
class NoLink implements Link {
  readonly remoteAddress = "127.0.0.1";
  readonly bufferedBytes = 0;
  handlers: LinkHandlers | undefined;

  handle(handlers: LinkHandlers): void {
    this.handlers = handlers;
  }

  send(): void {}
  ping(): void {}
  pause(): void {}
  resume(): void {}
  close(): void {}
  terminate(): void {}
}

const gateway = await makeGateway();
const links: NoLink[] = [];

await come(WARM_COUNT);
const before = objectCount();
await come(AGENT_COUNT);
const after = objectCount();
if (gateway.registry.count !== links.length) throw new Error("Not all came");
process.stdout.write(String((after - before) / AGENT_COUNT));
process.exit(0);

async function come(count: number): Promise<void> {
  for (let index = 0; index < count; index++) {
    const link = new NoLink();
    links.push(link);
    const id = links.length;
    visit(id, link);
    await settle();
    link.handlers?.message(JSON.stringify({
      type: "hello",
      versions: [2],
      software: "test",
      device: { id, name: `computer-${id}` },
      services: [
        { name: "ssh", state: "open" },
        { name: "vnc", state: "closed" },
      ],
      instance: randomHex(),
    }));
    await settle();
  }
}

function visit(id: number, link: Link): void {
  const headers = new Map([
    ["x-ssl-client-cn", `/O=mf.test/OU=COMPUTERS/CN=uuid_${id}`],
    ["x-forwarded-for", `10.0.${id >> 8}.${id & 255}`],
  ]);
  gateway.visit({
    peerAddress: "127.0.0.1",
    certificate: undefined,
    header: (name) => headers.get(name),
    path: CONTROL_PATH,
    query: new URLSearchParams(),
    subprotocols: [CONTROL_SUBPROTOCOL],
    accept: () => Promise.resolve(link),
    refuse: (_status, fault) => {
      throw fault;
    },
  });
}

function bug(_event: string, _fields: unknown, error: unknown): never {
  throw error;
}

function objectCount(): number {
  // What the first one finds, it leaves for the next: a table's old halves.
  for (let round = 0; round < 3; round++) Bun.gc(true);
  return heapStats().objectCount;
}

async function makeGateway(): Promise<Gateway> {
  return new Gateway({
    clock: bunClock,
    log: { info: () => undefined, warn: () => undefined, error: bug },
    heartbeats: new Heartbeats(bunClock, "forgive"),
    store: ANY_DEVICE,
    audit: { write: () => undefined },
    metrics: new GatewayMetrics({ version: "0", commit: "0" }),
    identity: {
      source: { tag: "header", name: "x-ssl-client-cn", trusts: () => true },
      isRevoked: () => false,
      wallNow: Date.now,
    },
    heartbeat: { "interval_ms": 20_000, "timeout_ms": 42_000 },
    limits: {
      tunnelsPerOperatorMax: 64,
      tunnelsPerDeviceMax: 64,
      tunnelsPerAddressMax: 64,
      linksPerAddressMax: 64,
      linksMax: 10_000,
      openTimeoutMs: 10_000,
      detachMs: 60_000,
      detachMaxMs: 60_000,
    },
    resumeTokens: await ResumeTokens.create(new Uint8Array(32)),
    software: "test",
  });
}
