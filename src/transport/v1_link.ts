import type { Clock } from "../base/clock.ts";
import type { HeartbeatValues } from "../protocol/control.ts";
import { Fault } from "../protocol/fault.ts";
import {
  parseV1Message,
  type V1Message,
  type V1TunnelData,
} from "../protocol/v1_message.ts";
import type { Heartbeats, Watch } from "./heartbeats.ts";
import type { Link, LinkEnd, LinkHandlers } from "./link.ts";
import { faultOfEnd, silenceFault } from "./link_end.ts";
import type { UnreadBytes } from "./unread_bytes.ts";
import type { V1Dialect } from "./v1_dialect.ts";
import { ALONE_BYTES_PER_MS, UNREAD_HARD_BYTES, V1Pace } from "./v1_pace.ts";
import { V1Throttle } from "./v1_throttle.ts";
import { type V1Carrier, V1Tunnel } from "./v1_tunnel.ts";

/** Above this, the writers of all tunnels wait. */
const BUFFERED_MAX_BYTES = 1024 * 1024;
/** Stream bytes of one message: twice as much in hexadecimal. */
const DATA_MAX_BYTES = 64 * 1024;

/** What a tunnel may have unread before it is asked to be slower. */
const UNREAD_SOFT_BYTES = 1024 * 1024;
/** All tunnels of a link together. */
const UNREAD_ALL_BYTES = 128 * 1024 * 1024;
/** What the owner of a protocol 1 link hears, beside its tunnels. */
export interface V1Owner {
  /** Anything but data and ends of the tunnels that this link carries. */
  v1Message(message: Exclude<V1Message, V1TunnelData>): void;
  /** Something came that cannot be read; `why` is harmless text. */
  v1Ignored(why: string): void;
  /** Anything came, a pong among it. */
  v1Heard?(): void;
  /** Much was waiting to be sent, and all of it has left. */
  v1Drained?(): void;
  /** The last call, exactly once; all tunnels have been told before. */
  v1Closed(fault: Fault): void;
}

export interface V1LinkPorts {
  readonly clock: Clock;
  readonly heartbeats: Heartbeats;
  readonly heartbeat: HeartbeatValues;
  /** Shared by many links; undefined: this one is alone. */
  readonly unread?: UnreadBytes | undefined;
}

/**
 * One WebSocket that speaks protocol 1, and the tunnels that share it.
 *
 * Protocol 1 grants no credit: a tunnel whose reader is slow makes the whole
 * link slower, but never stops it, and one whose reader stands still is closed
 * when it has 64 MiB unread. Towards the peer, all writers wait together.
 */
export class V1Link implements LinkHandlers, V1Carrier {
  readonly clock: Clock;
  readonly #link: Link;
  readonly #dialect: V1Dialect;
  readonly #owner: V1Owner;
  readonly #ports: V1LinkPorts;
  readonly #throttle: V1Throttle;
  /** Tunnel => how fast it is read. */
  readonly #tunnels = new Map<
    string,
    { readonly tunnel: V1Tunnel; readonly pace: V1Pace }
  >();
  #unreadBytes = 0;
  #watch: Watch | undefined;
  #ended: Fault | undefined;

  constructor(
    link: Link,
    dialect: V1Dialect,
    owner: V1Owner,
    ports: V1LinkPorts,
  ) {
    this.clock = ports.clock;
    this.#link = link;
    this.#dialect = dialect;
    this.#owner = owner;
    this.#ports = ports;
    this.#throttle = new V1Throttle(link, ports.clock);
  }

  get lingers(): boolean {
    return this.#dialect.lingers;
  }

  get tunnelCount(): number {
    return this.#tunnels.size;
  }

  get bufferedBytes(): number {
    return this.#link.bufferedBytes;
  }

  /** Begins to listen, and to watch over the peer by WebSocket pings. */
  begin(): void {
    const { heartbeat, heartbeats } = this.#ports;
    this.#watch = heartbeats.watch({
      beat: () => this.#link.ping(),
      paused: () => this.#throttle.isPaused,
      silent: (silentMs) => {
        this.#end(silenceFault(silentMs));
        this.#link.terminate();
      },
    }, heartbeat);
    this.#link.handle(this);
  }

  /** For what comes outside of tunnels and is not taken: `bytes` too many. */
  slowDown(bytes: number): void {
    this.#throttle.charge(bytes, ALONE_BYTES_PER_MS);
  }

  say(message: object): void {
    this.#link.send(JSON.stringify(message));
  }

  /** Closes the link with a WebSocket close code, after what is queued. */
  close(code: number, reason: string): void {
    this.#link.close(code, reason);
  }

  /** Whether the id is taken on this link. */
  has(tunnelId: string): boolean {
    return this.#tunnels.has(tunnelId);
  }

  /**
   * Begins a tunnel; what comes for it waits until it is handled.
   *
   * @throws {Fault} `messageUnexpected` if the id is taken; `linkLost`.
   */
  openTunnel(tunnelId: string): V1Tunnel {
    if (this.#ended) throw this.#ended;
    if (this.#tunnels.has(tunnelId)) {
      throw new Fault("messageUnexpected", "There is a tunnel with this id");
    }
    const tunnel = new V1Tunnel(tunnelId, this);
    const pace = new V1Pace(this.clock.now());
    this.#tunnels.set(tunnelId, { tunnel, pace });
    // Whoever shares the link from now on must not wait for the slow one.
    this.#throttle.release();
    return tunnel;
  }

  /** Gives `data` to the reader of a tunnel, as if it had come for it. */
  feed(tunnelId: string, data: Uint8Array): void {
    const entry = this.#tunnels.get(tunnelId);
    // Its end and this have crossed on the way.
    if (!entry) return;
    this.#count(data.byteLength);
    const unreadBytes = entry.tunnel.arrived(data);
    if (unreadBytes <= UNREAD_SOFT_BYTES) return;
    const { pace } = entry;
    const isFull = unreadBytes > UNREAD_HARD_BYTES ||
      this.#unreadBytes > UNREAD_ALL_BYTES ||
      this.#ports.unread?.isFull === true;
    const nowMs = this.clock.now();
    const isStalled = isFull && pace.isStalled(nowMs);
    if (isStalled || unreadBytes > 2 * UNREAD_HARD_BYTES) {
      return this.#kill(entry.tunnel);
    }
    const isShared = this.#tunnels.size > 1;
    const bytesPerMs = pace.allowance(isFull, isShared, nowMs);
    if (bytesPerMs === Infinity) return this.#throttle.release();
    this.#throttle.charge(data.byteLength, bytesPerMs);
  }

  /** Closes every tunnel, each with a word to the other side. */
  closeTunnels(fault: Fault): void {
    for (const { tunnel } of [...this.#tunnels.values()]) {
      tunnel.broken(fault, true);
    }
  }

  // From the link.

  message(message: string | Uint8Array): void {
    this.alive();
    const parsed = parseV1Message(message);
    switch (parsed.type) {
      case "tunnel_data":
        return this.feed(parsed.tunnel_id, parsed.data);
      case "ignored":
        return this.#owner.v1Ignored(parsed.why);
      case "close_tunnel":
      case "close_tcp_tunnel":
      case "tunnel_closed": {
        const found = this.#tunnels.get(parsed.tunnel_id);
        if (!found) return this.#owner.v1Message(parsed);
        if (this.#dialect.answersClose) this.sendClose(parsed.tunnel_id);
        return found.tunnel.closedByPeer();
      }
      default:
        return this.#owner.v1Message(parsed);
    }
  }

  alive(): void {
    this.#watch?.heard();
    this.#owner.v1Heard?.();
  }

  drain(): void {
    for (const { tunnel } of [...this.#tunnels.values()]) tunnel.drained();
    this.#owner.v1Drained?.();
  }

  closed(end: LinkEnd): void {
    this.#end(faultOfEnd(end));
  }

  // From a tunnel.

  sendData(tunnelId: string, chunk: Uint8Array): boolean {
    for (let at = 0; at < chunk.byteLength; at += DATA_MAX_BYTES) {
      const hex = chunk.subarray(at, at + DATA_MAX_BYTES).toHex();
      this.say(this.#dialect.data(tunnelId, hex));
    }
    return this.#link.bufferedBytes <= BUFFERED_MAX_BYTES;
  }

  sendClose(tunnelId: string): void {
    this.say(this.#dialect.close(tunnelId));
  }

  taken(tunnel: V1Tunnel, bytes: number): void {
    this.#count(-bytes);
    const entry = this.#tunnels.get(tunnel.id);
    entry?.pace.taken(bytes, this.clock.now());
    const isEased = tunnel.unreadBytes + bytes > UNREAD_SOFT_BYTES &&
      tunnel.unreadBytes <= UNREAD_SOFT_BYTES;
    if (isEased) this.#throttle.release();
  }

  forget(tunnel: V1Tunnel): void {
    this.#tunnels.delete(tunnel.id);
    if (tunnel.unreadBytes > UNREAD_SOFT_BYTES) this.#throttle.release();
  }

  #count(bytes: number): void {
    this.#unreadBytes += bytes;
    this.#ports.unread?.add(bytes);
  }

  #kill(tunnel: V1Tunnel): void {
    const mib = Math.round(tunnel.unreadBytes / 1024 / 1024);
    tunnel.broken(
      new Fault(
        "quotaExceeded",
        `Ended the tunnel: its reader stands still with ${mib} MiB unread`,
        { hint: "Upgrade the peer that speaks protocol 1" },
      ),
      true,
    );
  }

  #end(fault: Fault): void {
    if (this.#ended) return;
    this.#ended = fault;
    this.#watch?.stop();
    this.#throttle.release();
    for (const { tunnel } of [...this.#tunnels.values()]) {
      tunnel.broken(fault, false);
    }
    this.#owner.v1Closed(fault);
  }
}
