import { Agent } from "../../src/agent/agent.ts";
// An agent loads them when it needs them, which takes longer than a turn.
import "../../src/agent/tunnel.ts";
import "../../src/agent/v1_control_link.ts";
import type { ServiceCaller } from "../../src/agent/ports.ts";
import { Gateway } from "../../src/gateway/gateway.ts";
import { GatewayMetrics } from "../../src/gateway/metrics.ts";
import { Fault } from "../../src/protocol/fault.ts";
import { randomHex } from "../../src/protocol/id.ts";
import { ResumeTokens } from "../../src/protocol/resume_token.ts";
import { STREAM_SUBPROTOCOL } from "../../src/protocol/version.ts";
import { bunClock } from "../../src/runtime/bun_clock.ts";
import { dialWebSocket } from "../../src/runtime/ws_dial.ts";
import { listenWebSockets } from "../../src/runtime/ws_server.ts";
import { WindowBudget } from "../../src/stream/window_budget.ts";
import { Heartbeats } from "../../src/transport/heartbeats.ts";
import { runStream } from "../../src/transport/stream_link.ts";
import type { StreamResult } from "../../src/transport/stream_ports.ts";
import { ANY_DEVICE } from "./any_device.ts";
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

/** One tunnel of a {@linkcode LiveSite}, and how it ended. */
export interface LiveTunnel {
  /** The operator's program. */
  readonly near: MemorySocket;
  readonly result: StreamResult;
  /** The agent's program of the tunnel that was joined; undefined: none was. */
  readonly far: MemorySocket | undefined;
  /** The code with which the agent's end of that tunnel ended. */
  readonly farEnding: string | undefined;
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
  /** Called for each program that the agent opens, before it is of use. */
  openFar: (far: MemorySocket) => void = () => undefined;
  /** By tunnel. */
  readonly #fars = new Map<string, MemorySocket>();
  readonly #stack = new AsyncDisposableStack();
  readonly #stop = new AbortController();
  readonly #relays = new Map<Role, FaultRelay>();

  /** @param detachMs How long each end waits for a new link. */
  static async create(detachMs: number): Promise<LiveSite> {
    const site = new LiveSite();
    const gateway = await site.#makeGateway(detachMs);
    const server = site.#stack.use(
      listenWebSockets("127.0.0.1", 0, undefined, {
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

  /** Runs a tunnel until both its ends have ended. */
  async run(near: MemorySocket): Promise<LiveTunnel> {
    const dial = () =>
      this.#dial("operator", `/connect?device=${DEVICE_ID}&service=live`, {});
    let tunnelId = "";
    const result = await runStream(near, await dial(), {
      clock: bunClock,
      heartbeats: new Heartbeats(bunClock, "probe"),
      budget: new WindowBudget(1024 * 1024),
      joined: ({ tunnel }) => void (tunnelId = tunnel),
      reopen: { dial, random: Math.random },
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
    const far = this.#fars.get(tunnelId);
    const farEnding = far && await this.#agentClosed(tunnelId);
    return { near, result, far, farEnding };
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
      services: new Map([["live", { open: (caller) => this.#far(caller) }]]),
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

  #far({ tunnelId }: ServiceCaller): MemorySocket {
    const far = new MemorySocket();
    this.#fars.set(tunnelId, far);
    this.openFar(far);
    return far;
  }

  /** Resolves with the code of the agent's line about a tunnel's end. */
  async #agentClosed(tunnelId: string): Promise<string> {
    const pattern = new RegExp(
      `^tunnel\\.(close .*"${tunnelId}".*"sentBytes"|refused .*"${tunnelId}")`,
    );
    const line = this.log.lines.find((line) => pattern.test(line)) ??
      await this.log.next(pattern);
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
