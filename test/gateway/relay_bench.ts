import { relay, type RelayResult } from "../../src/gateway/relay.ts";
import { Heartbeats } from "../../src/transport/heartbeats.ts";
import type { LinkEnd } from "../../src/transport/link.ts";
import { ManualClock } from "../support/manual_clock.ts";
import { type MemoryLink, memoryLinks } from "../support/memory_link.ts";
import { rejection } from "../support/rejection.ts";

const VALUES = { "interval_ms": 20_000, "timeout_ms": 45_000 };

/** One end of a tunnel, moved by the test, and the gateway's link to it. */
export class TunnelEnd {
  readonly links = memoryLinks();
  readonly heard: (string | Uint8Array)[] = [];
  heardBytes = 0;
  end: LinkEnd | undefined;

  constructor() {
    this.own.handle({
      message: (message) => {
        this.heard.push(message);
        if (typeof message !== "string") this.heardBytes += message.byteLength;
      },
      drain: () => undefined,
      closed: (end) => this.end = end,
    });
  }

  /** The link as the end has it. */
  get own(): MemoryLink {
    return this.links.near;
  }

  /** The same as the gateway has it. */
  get atGateway(): MemoryLink {
    return this.links.far;
  }
}

/** A relay between two ends, and time. */
export class RelayBench implements AsyncDisposable {
  readonly clock = new ManualClock();
  readonly operator = new TunnelEnd();
  readonly agent = new TunnelEnd();
  readonly stop = new AbortController();
  result: RelayResult | undefined;
  readonly #heartbeats = new Heartbeats(this.clock, "forgive");
  readonly #stopBeating = new AbortController();
  readonly #beating = rejection(this.#heartbeats.run(this.#stopBeating.signal));

  start(): void {
    void relay(
      this.operator.atGateway,
      this.agent.atGateway,
      this.#heartbeats,
      VALUES,
      this.stop.signal,
    ).then((result) => this.result = result);
  }

  /** How it ended: `cleanly`, a fault's code and message, or `not yet`. */
  get ending(): string {
    if (!this.result) return "not yet";
    const { fault } = this.result;
    return fault ? `${fault.code}: ${fault.message}` : "cleanly";
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stopBeating.abort();
    await this.#beating;
  }
}

/** A relay that has begun. */
export function startedRelay(): RelayBench {
  const bench = new RelayBench();
  bench.start();
  return bench;
}
