import { HEARTBEAT_TEXT } from "../../src/protocol/stream_message.ts";
import { WindowBudget } from "../../src/stream/window_budget.ts";
import { Heartbeats } from "../../src/transport/heartbeats.ts";
import type { LinkEnd } from "../../src/transport/link.ts";
import { runStream } from "../../src/transport/stream_link.ts";
import type { StreamResult } from "../../src/transport/stream_ports.ts";
import { ManualClock, settle } from "../support/manual_clock.ts";
import {
  type MemoryLink,
  type MemoryLinks,
  memoryLinks,
  type MemoryWireOptions,
} from "../support/memory_link.ts";
import { MemorySocket } from "../support/memory_socket.ts";
import { rejection } from "../support/rejection.ts";

/** What a gateway says first on each end's link. */
export const JOINED_TEXT = JSON.stringify({
  type: "joined",
  tunnel: "0123456789abcdef0123456789abcdef",
  heartbeat: { interval_ms: 20_000, timeout_ms: 45_000 },
});

/** One running stream, its program, and what became of it. */
export class StreamSide {
  readonly socket = new MemorySocket();
  readonly link: MemoryLink;
  readonly budget = new WindowBudget(16 * 1024 * 1024);
  readonly stop = new AbortController();
  joinedCount = 0;
  result: StreamResult | undefined;

  constructor(link: MemoryLink) {
    this.link = link;
  }

  start(clock: ManualClock, heartbeats: Heartbeats): void {
    void runStream(this.socket, this.link, {
      clock,
      heartbeats,
      budget: this.budget,
      joined: () => this.joinedCount++,
    }, this.stop.signal).then((result) => this.result = result);
  }

  /** How it ended: `cleanly`, a fault's code, or `not yet`. */
  get ending(): string {
    if (!this.result) return "not yet";
    return this.result.fault?.code ?? "cleanly";
  }
}

/** Time and links for streams, stepped by the test. */
class Bench implements AsyncDisposable {
  readonly clock = new ManualClock();
  readonly heartbeats = new Heartbeats(this.clock, "probe");
  readonly links: MemoryLinks;
  readonly #stop = new AbortController();
  readonly #beating: Promise<unknown>;

  constructor(options: MemoryWireOptions) {
    this.links = memoryLinks(options);
    this.#beating = rejection(this.heartbeats.run(this.#stop.signal));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort();
    await this.#beating;
  }
}

/** Two streams over one wire, joined as a gateway does it. */
export class PairBench extends Bench {
  readonly near: StreamSide;
  readonly far: StreamSide;

  constructor(options: MemoryWireOptions = {}) {
    super(options);
    this.near = new StreamSide(this.links.near);
    this.far = new StreamSide(this.links.far);
    this.links.near.send(JOINED_TEXT);
    this.links.far.send(JOINED_TEXT);
    this.near.start(this.clock, this.heartbeats);
    this.far.start(this.clock, this.heartbeats);
  }

  get endings(): [near: string, far: string] {
    return [this.near.ending, this.far.ending];
  }
}

/** One stream whose far end is the test: it says and hears messages. */
export class RawBench extends Bench {
  readonly side: StreamSide;
  readonly peer: MemoryLink;
  readonly heard: (string | Uint8Array)[] = [];
  heardEnd: LinkEnd | undefined;

  constructor(options: MemoryWireOptions = {}) {
    super(options);
    this.side = new StreamSide(this.links.near);
    this.peer = this.links.far;
    this.peer.handle({
      message: (message) => {
        if (message !== HEARTBEAT_TEXT) this.heard.push(message);
      },
      drain: () => undefined,
      closed: (end) => this.heardEnd = end,
    });
  }

  start(): void {
    this.side.start(this.clock, this.heartbeats);
  }

  /** Starts, and is joined. */
  async join(): Promise<void> {
    this.start();
    this.peer.send(JOINED_TEXT);
    await settle();
  }

  async say(message: object | string | Uint8Array): Promise<void> {
    const isWire = typeof message === "string" || message instanceof Uint8Array;
    this.peer.send(isWire ? message : JSON.stringify(message));
    await settle();
  }

  get heardBytes(): number {
    return this.heard.reduce(
      (sum, message) =>
        sum + (typeof message === "string" ? 0 : message.byteLength),
      0,
    );
  }
}
