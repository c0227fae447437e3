import { V1_MESSAGE_MAX_BYTES } from "../../src/protocol/limits.ts";
import type { Fault } from "../../src/protocol/fault.ts";
import { type V1Message } from "../../src/protocol/v1_message.ts";
import { Heartbeats } from "../../src/transport/heartbeats.ts";
import { V1_DIALECTS, type V1Dialect } from "../../src/transport/v1_dialect.ts";
import type { UnreadBytes } from "../../src/transport/unread_bytes.ts";
import { V1Link } from "../../src/transport/v1_link.ts";
import type { V1Tunnel } from "../../src/transport/v1_tunnel.ts";
import { ManualClock, settle } from "../support/manual_clock.ts";
import { type MemoryLink, memoryLinks } from "../support/memory_link.ts";

export const HEARTBEAT = { "interval_ms": 20_000, "timeout_ms": 60_000 };

/** What the reader of a tunnel has heard. */
export interface Heard {
  readonly bytes: number;
  /** `end`, `drain`, `closed`, or `closed <code>`, in order. */
  readonly calls: readonly string[];
}

/** A link of protocol 1 whose peer is the test. */
export class V1Bench {
  readonly clock = new ManualClock();
  readonly heartbeats = new Heartbeats(this.clock, "forgive");
  readonly near: MemoryLink;
  readonly far: MemoryLink;
  readonly link: V1Link;
  /** What the peer was told, in order. */
  readonly said: Record<string, unknown>[] = [];
  /** What is no tunnel's. */
  readonly messages: V1Message[] = [];
  readonly ignored: string[] = [];
  readonly closed: Fault[] = [];

  constructor(
    dialect: V1Dialect | undefined = V1_DIALECTS.gatewayToAgent,
    unread: UnreadBytes | undefined = undefined,
  ) {
    const { near, far } = memoryLinks({
      messageMaxBytes: V1_MESSAGE_MAX_BYTES,
    });
    this.near = near;
    this.far = far;
    far.handle({
      message: (message) => this.said.push(JSON.parse(String(message))),
      drain: () => undefined,
      closed: () => undefined,
    });
    const owner = {
      v1Message: (message: V1Message) => void this.messages.push(message),
      v1Ignored: (why: string) => void this.ignored.push(why),
      v1Closed: (fault: Fault) => void this.closed.push(fault),
    };
    this.link = new V1Link(near, dialect, owner, {
      clock: this.clock,
      heartbeats: this.heartbeats,
      heartbeat: HEARTBEAT,
      unread,
    });
    this.link.begin();
  }

  /** Opens a tunnel with a reader that takes all, unless it is paused. */
  open(id: string): { tunnel: V1Tunnel; heard: Heard } {
    const tunnel = this.link.openTunnel(id);
    return { tunnel, heard: listen(tunnel) };
  }

  /** The peer says something. */
  hear(message: object): void {
    this.far.send(JSON.stringify(message));
  }

  hearData(id: string, chunk: Uint8Array): void {
    this.hear({ type: "tunnel_data", tunnel_id: id, data: chunk.toHex() });
  }

  saidTypes(): unknown[] {
    return this.said.map(({ type }) => type);
  }

  settle(): Promise<void> {
    return settle();
  }
}

/** Hears all that a tunnel brings. */
export function listen(tunnel: V1Tunnel): Heard {
  const calls: string[] = [];
  const heard = { bytes: 0, calls };
  tunnel.handle({
    data: (chunk) => heard.bytes += chunk.byteLength,
    end: () => calls.push("end"),
    drain: () => calls.push("drain"),
    closed: (fault) => calls.push(fault ? `closed ${fault.code}` : "closed"),
  });
  return heard;
}
