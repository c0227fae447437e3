import { Agent } from "../../src/agent/agent.ts";
import { Gateway } from "../../src/gateway/gateway.ts";
import { GatewayMetrics } from "../../src/gateway/metrics.ts";
import type { DeviceStore } from "../../src/policy/device_store.ts";
import { Fault } from "../../src/protocol/fault.ts";
import { randomHex } from "../../src/protocol/id.ts";
import { ResumeTokens } from "../../src/protocol/resume_token.ts";
import { STREAM_SUBPROTOCOL } from "../../src/protocol/version.ts";
import { bunClock } from "../../src/runtime/bun_clock.ts";
import { dialWebSocket } from "../../src/runtime/ws_dial.ts";
import { listenWebSockets } from "../../src/runtime/ws_server.ts";
import { WindowBudget } from "../../src/stream/window_budget.ts";
import { Heartbeats } from "../../src/transport/heartbeats.ts";
import {
  runStream,
  type StreamResult,
} from "../../src/transport/stream_link.ts";
import { type FaultConnection, FaultRelay } from "./fault_relay.ts";
import { HeardLog } from "./heard_log.ts";
import { MemorySocket } from "./memory_socket.ts";

const DEVICE_ID = 7;
const SUBJECTS = {
  agent: "/O=mf.test/OU=COMPUTERS/CN=4c4c_7",
  operator: "/O=mf.test/OU=ADMINS/CN=ana",
} as const;
type Role = keyof typeof SUBJECTS;

const HEARTBEAT = { "interval_ms": 20_000, "timeout_ms": 42_000 };
const DIAL_TIMEOUT_MS = 5_000;
const NEVER_MS = 86_400_000;

/** One tunnel of a {@linkcode LiveSite}: its two programs, and how it ended. */
export interface LiveTunnel {
  readonly near: MemorySocket;
  readonly far: MemorySocket;
  /** How the operator's end and the agent's end ended. */
  readonly results: Promise<readonly [StreamResult, string]>;
}

/**
 * A gateway, an agent and operators in this process, over real sockets: plain
 * WebSockets, behind a proxy that says who calls, which is the test. The
 * stream links of each end go through a relay of their own.
 */
export class LiveSite implements AsyncDisposable {
  readonly log = new HeardLog();
  /** Called for each stream link, before anything goes through it. */
  shape: (role: Role, connection: FaultConnection) => void = () => undefined;
  /** What the agent's service is, for the next tunnel. */
  far = new MemorySocket();
  readonly #stack = new AsyncDisposableStack();
  readonly #stop = new AbortController();
  readonly #relays = new Map<Role, FaultRelay>();

  /** @param detachMs How long each end waits for a new link. */
  static async create(detachMs: number): Promise<LiveSite> {
    const site = new LiveSite();
    const gateway = await site.#makeGateway(detachMs);
    const server = site.#stack.use(
      await listenWebSockets("127.0.0.1", 0, undefined, {
        visit: (visitor) => gateway.visit(visitor),
        request: () => new Response(null, { status: 404 }),
      }),
    );
    const target = { host: "127.0.0.1", port: server.port };
    for (const role of ["agent", "operator"] as const) {
      const relay = await FaultRelay.listen({
        target,
        isFramed: true,
        connected: (connection) => site.shape(role, connection),
      });
      site.#relays.set(role, site.#stack.use(relay));
    }
    await site.#startAgent(server.port);
    return site;
  }

  /** Opens a tunnel; both programs are the test. */
  async open(): Promise<LiveTunnel> {
    const closed = this.#agentClosed();
    const near = new MemorySocket();
    const far = this.far = new MemorySocket();
    const path = `/connect?device=${DEVICE_ID}&service=live`;
    const link = await this.#dial("operator", path, {});
    const heartbeats = new Heartbeats(bunClock, "probe");
    const ended = runStream(near, link, {
      clock: bunClock,
      heartbeats,
      budget: new WindowBudget(1024 * 1024),
      joined: () => undefined,
      resume: {
        random: Math.random,
        lingerMs: 3_000,
        dial: (token) =>
          this.#dial("operator", "/resume", {
            Authorization: `Bearer ${token}`,
          }),
        lost: () => undefined,
        back: () => undefined,
      },
    }, this.#stop.signal);
    return { near, far, results: Promise.all([ended, closed]) };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort(new Fault("agentStopping", "The test is over"));
    await this.#stack.disposeAsync();
  }

  async #makeGateway(detachMs: number): Promise<Gateway> {
    const tokens = await ResumeTokens.create(new Uint8Array(32));
    return new Gateway({
      clock: bunClock,
      log: this.log,
      heartbeats: new Heartbeats(bunClock, "forgive"),
      store: ANY_DEVICE,
      audit: { write: () => undefined },
      metrics: new GatewayMetrics({ version: "0", commit: "0" }),
      identity: {
        source: {
          tag: "header",
          name: "x-ssl-client-cn",
          trusts: () => true,
        },
        isRevoked: () => false,
        wallNow: Date.now,
      },
      heartbeat: HEARTBEAT,
      limits: {
        tunnelsPerOperatorMax: 64,
        tunnelsPerDeviceMax: 64,
        tunnelsPerAddressMax: 64,
        linksPerAddressMax: 4_096,
        linksMax: 4_096,
        openTimeoutMs: 10_000,
        detachMs,
        detachMaxMs: detachMs,
      },
      resumeTokens: tokens,
      software: "live",
    });
  }

  async #startAgent(gatewayPort: number): Promise<void> {
    const agent = new Agent({
      deviceId: DEVICE_ID,
      name: "live",
      services: new Map([["live", { open: () => this.far }]]),
      tunnelsMax: 64,
      instance: randomHex(),
      software: "live",
      commands: undefined,
      protocol: "2",
    }, {
      clock: bunClock,
      log: this.log,
      heartbeats: new Heartbeats(bunClock, "probe"),
      budget: new WindowBudget(1024 * 1024),
      random: Math.random,
      dial: ({ headers, subprotocol = "", url }) => {
        const path = new URL(url).pathname.slice("/tunnel".length);
        if (path !== "") return this.#dial("agent", path, headers);
        return dialAs("agent", gatewayPort, path, subprotocol, headers);
      },
      findGateway: () => Promise.resolve("ws://gateway.test/tunnel"),
      dialService: () => Promise.reject(new Error("There is none")),
      portStates: () => Promise.resolve([]),
      identityChanged: (signal) => bunClock.sleep(NEVER_MS, signal),
    });
    const isOnline = this.log.next(/^link\.open /);
    const running = agent.run(this.#stop.signal).catch(() => undefined); // Stopped.
    this.#stack.defer(() => running);
    await isOnline;
  }

  #dial(role: Role, path: string, headers: Readonly<Record<string, string>>) {
    const { port = 0 } = this.#relays.get(role) ?? {};
    return dialAs(role, port, path, STREAM_SUBPROTOCOL, headers);
  }

  /** Resolves with the code of the agent's next line about a tunnel's end. */
  async #agentClosed(): Promise<string> {
    const line = await this.log.next(/^tunnel\.(close .*"sentBytes"|refused)/);
    return /"code":"(\w+)"/.exec(line)?.[1] ?? line;
  }
}

function dialAs(
  role: Role,
  port: number,
  path: string,
  subprotocol: string,
  headers: Readonly<Record<string, string>>,
) {
  return dialWebSocket({
    url: `ws://127.0.0.1:${port}/tunnel${path}`,
    subprotocol,
    headers: { ...headers, "X-SSL-Client-CN": SUBJECTS[role] },
    tls: { ca: undefined, cert: undefined, key: undefined, insecure: false },
    proxy: undefined,
    timeoutMs: DIAL_TIMEOUT_MS,
  }, new AbortController().signal);
}

const ANY_DEVICE: DeviceStore = {
  claim: () => ({ tag: "bound" }),
  seen: () => undefined,
  find: () => undefined,
  findByName: () => [],
  list: () => [],
  release: () => false,
};
