import { Gateway } from "../../src/gateway/gateway.ts";
import { GatewayMetrics } from "../../src/gateway/metrics.ts";
import type { GatewayLimits, GatewayPorts } from "../../src/gateway/ports.ts";
import type { AuditRecord } from "../../src/policy/audit.ts";
import type {
  DeviceClaim,
  DevicePage,
  DeviceStore,
  StoredDevice,
} from "../../src/policy/device_store.ts";
import type { Fault } from "../../src/protocol/fault.ts";
import { ResumeTokens } from "../../src/protocol/resume_token.ts";
import { V1_MESSAGE_MAX_BYTES } from "../../src/protocol/limits.ts";
import { STREAM_SUBPROTOCOL } from "../../src/protocol/version.ts";
import { WindowBudget } from "../../src/stream/window_budget.ts";
import { Heartbeats } from "../../src/transport/heartbeats.ts";
import type { LinkEnd } from "../../src/transport/link.ts";
import { closeWithFault } from "../../src/transport/link_end.ts";
import type { PeerCertificate, Visitor } from "../../src/transport/visitor.ts";
import { ListLog } from "../support/list_log.ts";
import { ManualClock, settle } from "../support/manual_clock.ts";
import { type MemoryLink, memoryLinks } from "../support/memory_link.ts";
import { until } from "./resume_bench.ts";

export type Said = Readonly<Record<string, unknown>>;

/** Who calls: the CN behind COMPUTERS or ADMINS; undefined: no certificate. */
export interface Who {
  readonly unit?: "COMPUTERS" | "ADMINS";
  readonly name: string;
}

export const ANA: Who = { unit: "ADMINS", name: "ana" };

/** Few, so that a test reaches them. */
export const LIMITS: GatewayLimits = {
  tunnelsPerOperatorMax: 8,
  tunnelsPerDeviceMax: 8,
  tunnelsPerAddressMax: 16,
  linksPerAddressMax: 64,
  linksMax: 64,
  openTimeoutMs: 10_000,
  detachMs: 60_000,
  detachMaxMs: 60_000,
};

/** Device bindings in memory. */
class MemoryStore implements DeviceStore {
  readonly devices = new Map<number, StoredDevice>();

  claim({ deviceId, name, nowMs, subject }: DeviceClaim) {
    const known = this.devices.get(deviceId);
    if (known && known.subject !== subject) {
      return { tag: "taken" as const, subject: known.subject };
    }
    const services = known?.services ?? [];
    const times = { boundAtMs: nowMs, seenAtMs: nowMs };
    this.devices.set(deviceId, { deviceId, name, subject, services, ...times });
    return known ? { tag: "bound" as const } : { tag: "first" as const };
  }

  seen(deviceId: number, seenAtMs: number, services: readonly string[]): void {
    const known = this.devices.get(deviceId);
    if (known) this.devices.set(deviceId, { ...known, seenAtMs, services });
  }

  find(deviceId: number): StoredDevice | undefined {
    return this.devices.get(deviceId);
  }

  findByName(): StoredDevice[] {
    return [];
  }

  list({ after, limit }: DevicePage): StoredDevice[] {
    return [...this.devices.values()]
      .filter(({ deviceId }) => deviceId > after)
      .sort((one, other) => one.deviceId - other.deviceId)
      .slice(0, limit);
  }

  release(deviceId: number): boolean {
    return this.devices.delete(deviceId);
  }
}

/** A gateway, and what the test dials it with. */
export class V1GatewayBench {
  readonly clock = new ManualClock();
  readonly log = new ListLog();
  readonly records: AuditRecord[] = [];
  readonly metrics = new GatewayMetrics({ version: "0", commit: "0" });
  readonly store = new MemoryStore();
  readonly gateway: Gateway;
  readonly heartbeats = new Heartbeats(this.clock, "forgive");

  private constructor(
    resumeTokens: ResumeTokens,
    changed: Partial<GatewayPorts>,
  ) {
    const { clock, heartbeats, log, store } = this;
    this.gateway = new Gateway({
      clock,
      heartbeats,
      log,
      resumeTokens,
      store,
      audit: { write: (record) => void this.records.push(record) },
      metrics: this.metrics,
      identity: {
        source: { tag: "certificate" },
        isRevoked: () => false,
        servesNobody: false,
        wallNow: () => clock.wallNow(),
      },
      heartbeat: { "interval_ms": 20_000, "timeout_ms": 45_000 },
      limits: LIMITS,
      v1Budget: new WindowBudget(64 * 1024 * 1024),
      software: "test",
      ...changed,
    });
  }

  static async create(
    changed: Partial<GatewayPorts> = {},
  ): Promise<V1GatewayBench> {
    const tokens = await ResumeTokens.create(new Uint8Array(32));
    return new V1GatewayBench(tokens, changed);
  }

  /** Somebody dials; undefined headers are none. */
  dial(
    who: Who,
    { path = "/tunnel", subprotocols = [] as readonly string[] } = {},
    headers: Readonly<Record<string, string>> = {},
  ): V1Peer {
    const peer = new V1Peer();
    const visitor: Visitor = {
      path,
      query: new URLSearchParams(),
      subprotocols,
      peerAddress: "192.0.2.7",
      certificate: certificateOf(who),
      header: (name) => headers[name.toLowerCase()],
      accept: (subprotocol) => {
        peer.subprotocol = subprotocol ?? null;
        return Promise.resolve(peer.atGateway);
      },
      refuse: (status, fault) => peer.refused = { status, fault },
    };
    this.gateway.visit(visitor);
    return peer;
  }

  /** Somebody of protocol 2 dials for a stream. */
  dialStream(who: Who, target: string, bearer = ""): MemoryLink {
    const { far, near } = memoryLinks();
    const url = new URL(target, "wss://gw.test");
    const headers: Readonly<Record<string, string>> = {
      authorization: `Bearer ${bearer}`,
    };
    this.gateway.visit({
      path: url.pathname,
      query: url.searchParams,
      subprotocols: [STREAM_SUBPROTOCOL],
      peerAddress: "192.0.2.7",
      certificate: certificateOf(who),
      header: (name) => headers[name],
      accept: () => Promise.resolve(near),
      refuse: (_status, fault) => closeWithFault(near, fault),
    });
    return far;
  }

  /** An agent that has registered. */
  async agent(
    id: number,
    services: readonly string[] = ["ssh"],
    name = `uuid-${id}_1`,
  ): Promise<V1Peer> {
    const agent = this.dial({ unit: "COMPUTERS", name });
    agent.register(id, services);
    await agent.heard("registration_ok");
    return agent;
  }

  /** An operator that has said hello. */
  async operator(who = ANA): Promise<V1Peer> {
    const operator = this.dial(who);
    operator.say({ type: "connect_client", mode: "tcp_tunnel" });
    await operator.heard("connection_ok");
    return operator;
  }

  /** An operator joined to the ssh of an agent, whose banner is out. */
  async tunnel(): Promise<{ agent: V1Peer; operator: V1Peer; id: string }> {
    const agent = await this.agent(7);
    const operator = await this.operator();
    operator.start(7, "cli-1");
    const { tunnel_id: id } = await agent.heard("start_tcp_tunnel");
    agent.data(String(id), "SSH-2.0-x");
    await operator.heard("tunnel_started");
    await operator.heard("tunnel_data");
    return { agent, operator, id: String(id) };
  }
}

/** An agent or an operator that speaks protocol 1. */
export class V1Peer {
  readonly link: MemoryLink;
  readonly atGateway: MemoryLink;
  /** Everything that it was told. */
  readonly messages: Said[] = [];
  /** Null: none was selected; undefined: not accepted. */
  subprotocol: string | null | undefined;
  refused: { status: number; fault: Fault } | undefined;
  end: LinkEnd | undefined;

  constructor() {
    const { far, near } = memoryLinks({
      messageMaxBytes: V1_MESSAGE_MAX_BYTES,
    });
    this.link = far;
    this.atGateway = near;
    far.handle({
      message: (message) => this.messages.push(JSON.parse(String(message))),
      drain: () => undefined,
      closed: (end) => this.end = end,
    });
  }

  say(message: object): void {
    this.link.send(JSON.stringify(message));
  }

  register(id: number, services: readonly string[] = ["ssh"]): void {
    const name = `aula-${id} [CID-${id}]`;
    const mode = "tcp_tunnel";
    this.say({ type: "register_agent", id, name, services, mode });
  }

  start(id: unknown, tunnelId: string, service = "ssh"): void {
    const type = "start_tcp_tunnel";
    this.say({ type, id, "tunnel_id": tunnelId, service, "client_cn": "lie" });
  }

  execute(id: unknown, execId: string, command: string): void {
    this.say({ type: "execute_command", id, "exec_id": execId, command });
  }

  data(tunnelId: string, text: string): void {
    const data = new TextEncoder().encode(text).toHex();
    const type = "tunnel_data";
    this.say({ type, "tunnel_id": tunnelId, origin: "agent", data });
  }

  /** All messages of this type so far. */
  all(type: string): Said[] {
    return this.messages.filter((message) => message["type"] === type);
  }

  /** What came over a tunnel, as text. */
  text(tunnelId: string): string {
    const hex = this.all("tunnel_data")
      .filter(({ tunnel_id: id }) => id === tunnelId)
      .map(({ data }) => String(data)).join("");
    return new TextDecoder().decode(Uint8Array.fromHex(hex));
  }

  /** Resolves with the `nth` message of this type, past or yet to come. */
  async heard(type: string, nth = 1): Promise<Said> {
    await until(() => this.all(type).length >= nth || this.end !== undefined);
    const found = this.all(type)[nth - 1];
    if (found) return found;
    throw new Error(`${type}: ${JSON.stringify([this.messages, this.end])}`);
  }

  async ended(): Promise<LinkEnd> {
    await until(() => this.end !== undefined);
    await settle();
    return this.end as LinkEnd;
  }
}

function certificateOf({ name, unit }: Who): PeerCertificate | undefined {
  if (!unit) return undefined;
  return {
    subject: { O: "mf.test", OU: unit, CN: name },
    rejection: undefined,
    raw: new Uint8Array(),
    notAfterMs: Date.UTC(2100, 0),
  };
}
