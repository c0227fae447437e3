import type { HeartbeatValues } from "../protocol/control.ts";
import { Fault, type FaultCode } from "../protocol/fault.ts";
import {
  HEARTBEAT_ECHO_TEXT,
  HEARTBEAT_TEXT,
} from "../protocol/stream_message.ts";
import type { Heartbeats, Watch } from "../transport/heartbeats.ts";
import type { Link, LinkEnd, LinkHandlers } from "../transport/link.ts";
import {
  closeWithFault,
  faultOfEnd,
  silenceFault,
} from "../transport/link_end.ts";

/** Bytes of one direction that may wait here before its reader is paused. */
const BUFFERED_MAX_BYTES = 1024 * 1024;

/** RFC 6455 §7.4.1. */
const NORMAL_CLOSE = 1000;

export interface RelayResult {
  /** Stream bytes from the operator's end to the agent's. */
  readonly upBytes: number;
  /** Stream bytes from the agent's end to the operator's. */
  readonly downBytes: number;
  /** How the first of the two links ended; undefined: cleanly. */
  readonly fault: Fault | undefined;
  /** One end has said that it has all, and that the other one has. */
  readonly isFinished: boolean;
}

/**
 * Forwards messages between the two ends of a tunnel until one link has
 * ended, and then the other. Reads nothing of what it forwards: all it takes
 * out are the two heartbeat texts, which are between it and each end.
 *
 * Memory: at most BUFFERED_MAX_BYTES and one message wait in each direction.
 *
 * Never rejects. Once `signal` aborts, both links are closed with its reason.
 */
export function relay(
  operator: Link,
  agent: Link,
  heartbeats: Heartbeats,
  values: HeartbeatValues,
  signal: AbortSignal,
): Promise<RelayResult> {
  const up = new Leg(operator, "operator");
  const down = new Leg(agent, "agent");
  up.begin(down, heartbeats, values);
  down.begin(up, heartbeats, values);
  const stop = () => {
    const fault = Fault.from(signal.reason);
    up.cut(fault);
    down.cut(fault);
  };
  if (signal.aborted) stop();
  signal.addEventListener("abort", stop, { once: true });
  return Promise.all([up.gone, down.gone]).then(() => {
    signal.removeEventListener("abort", stop);
    const first = up.endedAt < down.endedAt ? up : down;
    return {
      upBytes: up.bytes,
      downBytes: down.bytes,
      fault: first.fault,
      isFinished: up.hasLeft || down.hasLeft,
    };
  });
}

/** Orders the ends of links: which of two came first. */
let endCount = 0;

/** One of the two links: what it says is sent on over the other. */
class Leg implements LinkHandlers {
  readonly link: Link;
  readonly gone: Promise<void>;
  bytes = 0;
  /** It said goodbye. */
  hasLeft = false;
  endedAt = Infinity;
  fault: Fault | undefined;
  readonly #name: string;
  readonly #resolveGone: () => void;
  #other: Leg = this;
  #watch: Watch | undefined;
  #reading = true;

  constructor(link: Link, name: string) {
    this.link = link;
    this.#name = name;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.gone = promise;
    this.#resolveGone = resolve;
  }

  begin(other: Leg, heartbeats: Heartbeats, values: HeartbeatValues): void {
    this.#other = other;
    this.#watch = heartbeats.watch({
      beat: (echo) =>
        this.link.send(echo ? HEARTBEAT_ECHO_TEXT : HEARTBEAT_TEXT),
      paused: () => !this.#reading,
      silent: (silentMs) => this.#silent(silentMs),
    }, values);
    this.link.handle(this);
  }

  cut(fault: Fault): void {
    this.#end(fault);
    closeWithFault(this.link, fault);
  }

  message(message: string | Uint8Array): void {
    this.#watch?.heard();
    if (message === HEARTBEAT_TEXT) return;
    if (message === HEARTBEAT_ECHO_TEXT) return this.#answer();
    if (typeof message !== "string") this.bytes += message.byteLength;
    const onward = this.#other.link;
    onward.send(message);
    if (onward.bufferedBytes > BUFFERED_MAX_BYTES) {
      this.#reading = false;
      this.link.pause();
    }
  }

  drain(): void {
    this.#other.#readAgain();
  }

  closed(end: LinkEnd): void {
    this.#watch?.stop();
    const clean = end.code === NORMAL_CLOSE;
    this.hasLeft = clean;
    this.#end(clean ? undefined : faultOfEnd(end));
    this.#resolveGone();
    if (clean) this.#other.link.close(NORMAL_CLOSE, "");
    else closeWithFault(this.#other.link, this.#toldToOther());
  }

  #end(fault: Fault | undefined): void {
    if (this.endedAt !== Infinity) return;
    this.endedAt = endCount++;
    this.fault = fault;
  }

  /** Whoever asks and does not read hears no more: it has enough to hear. */
  #answer(): void {
    if (this.link.bufferedBytes > BUFFERED_MAX_BYTES) return;
    this.link.send(HEARTBEAT_TEXT);
  }

  /** A broken link is, to the far end, a peer that has gone. */
  #toldToOther(): Fault {
    const fault = this.fault ?? new Fault("peerGone", "");
    const broken: FaultCode[] = ["linkLost", "linkSilent"];
    if (!broken.includes(fault.code)) return fault;
    return new Fault("peerGone", `The ${this.#name}'s link broke off`);
  }

  #readAgain(): void {
    if (this.#reading) return;
    this.#reading = true;
    this.link.resume();
  }

  #silent(silentMs: number): void {
    this.#end(silenceFault(silentMs));
    this.link.terminate();
  }
}
