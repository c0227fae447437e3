import type { Clock } from "../base/clock.ts";
import { Fault } from "../protocol/fault.ts";
import { MEETING_TIMEOUT_MS, OPEN_TIMEOUT_MS } from "../protocol/limits.ts";
import {
  type EndMessage,
  HEARTBEAT_ECHO_TEXT,
  HEARTBEAT_TEXT,
  type Joined,
  parseStreamMessage,
  type StreamMessage,
} from "../protocol/stream_message.ts";
import type { Doubter } from "./doubt.ts";
import type { Heartbeats, Watch } from "./heartbeats.ts";
import type { Link, LinkEnd, LinkHandlers } from "./link.ts";
import {
  closeNormally,
  closeWithFault,
  faultOfEnd,
  silenceFault,
} from "./link_end.ts";

/** RFC 6455 §7.4.1. */
const NORMAL_CLOSE = 1000;

/** How long `joined` may take: what the gateway allows itself, and a little. */
const JOIN_TIMEOUT_MS = OPEN_TIMEOUT_MS + 5_000;

/** As above, over a link that is not the first: longer, and it is dead. */
const REJOIN_TIMEOUT_MS = MEETING_TIMEOUT_MS + 2_000;

/** Above this, a link has enough to send without answers to heartbeats. */
const ANSWER_MAX_BYTES = 1024 * 1024;

/** What a stream hears of the link that carries it at present. */
export interface LegOwner {
  /** The gateway has joined the two ends over this link. */
  legJoined(joined: Joined): void;
  /** The other end has `offset`; only over a link that is not the first. */
  legResumed(offset: number): void;
  legBytes(chunk: Uint8Array): void;
  legMessage(message: EndMessage): void;
  legDrained(): void;
  /** The other end has heard all, and is gone: only over a link that is not the first. */
  legFinished(): void;
  /** What the peer said may not be said. */
  legFailed(fault: Fault): void;
  /**
   * The last call, exactly once.
   *
   * @param isHeard It closed with a goodbye: ours was heard, if we said one.
   */
  legClosed(leg: StreamLeg, fault: Fault, isHeard: boolean): void;
  /** Returns who wants to know of doubts about `leg`. */
  doubter?(leg: StreamLeg): Doubter | undefined;
}

export interface LegPorts {
  readonly clock: Clock;
  readonly heartbeats: Heartbeats;
}

/**
 * What may come next.
 *
 *     joining --joined--> open            the stream's first link
 *     joining --joined--> resuming --resume--> open     any other
 *     open --awaitGoodbye()--> leaving
 *     any --close()--> closing --> closed;   any --> closed
 */
type LegState =
  | "joining"
  | "resuming"
  | "open"
  | "leaving"
  | "closing"
  | "closed";

/** One link of a stream, from its handshake to its end. */
export class StreamLeg implements LinkHandlers {
  readonly #link: Link;
  readonly #owner: LegOwner;
  readonly #ports: LegPorts;
  /** What we have when this link is not the first; undefined: it is. */
  readonly #resumeOffset: (() => number) | undefined;
  readonly #joinDeadline = new AbortController();
  /** Aborts when it has closed. */
  readonly #gone = new AbortController();
  #state: LegState = "joining";
  #watch: Watch | undefined;

  constructor(
    link: Link,
    owner: LegOwner,
    ports: LegPorts,
    resumeOffset: (() => number) | undefined,
  ) {
    this.#link = link;
    this.#owner = owner;
    this.#ports = ports;
    this.#resumeOffset = resumeOffset;
  }

  get bufferedBytes(): number {
    return this.#link.bufferedBytes;
  }

  begin(): void {
    this.#link.handle(this);
    const { signal } = this.#joinDeadline;
    const timeoutMs = this.#resumeOffset ? REJOIN_TIMEOUT_MS : JOIN_TIMEOUT_MS;
    this.#ports.clock.sleep(timeoutMs, signal).then(
      () => this.#notJoined(),
      () => undefined, // It was joined in time, or has ended.
    );
  }

  send(message: string | Uint8Array): void {
    this.#link.send(message);
  }

  /** Says goodbye, with a fault or cleanly; `legClosed` follows. */
  close(fault: Fault | undefined): void {
    if (this.#state !== "closed") this.#state = "closing";
    if (fault) closeWithFault(this.#link, fault);
    else closeNormally(this.#link);
  }

  /**
   * All is said, and the other end may not have heard it. Says goodbye once
   * it has, unless it does so itself; `legClosed` follows.
   *
   * @param ms For so long at most; less if `signal` aborts.
   */
  awaitGoodbye(ms: number, signal: AbortSignal): void {
    this.#state = "leaving";
    const either = AbortSignal.any([signal, this.#gone.signal]);
    const leave = () => this.#leave();
    void this.#ports.clock.sleep(ms, either).then(leave, leave);
  }

  message(message: string | Uint8Array): void {
    this.#watch?.heard();
    // On its way while we said goodbye: nobody is to be joined any more.
    if (this.#state === "closing" || this.#state === "closed") return;
    try {
      if (typeof message === "string") return this.#text(message);
      if (this.#state === "leaving") return;
      this.#need("open");
      this.#owner.legBytes(message);
    } catch (error) {
      this.#owner.legFailed(Fault.from(error));
    }
  }

  drain(): void {
    this.#owner.legDrained();
  }

  closed(end: LinkEnd): void {
    const isGoodbye = end.code === NORMAL_CLOSE;
    const isEarly = this.#state === "joining" || this.#state === "resuming";
    if (isGoodbye && isEarly && this.#resumeOffset) this.#owner.legFinished();
    this.#ended(faultOfEnd(end), isGoodbye);
  }

  #text(text: string): void {
    if (text === HEARTBEAT_TEXT) return this.#watch?.answered();
    if (text === HEARTBEAT_ECHO_TEXT) return this.#answer();
    this.#take(parseStreamMessage(text));
  }

  #answer(): void {
    // Who asks and does not read is told by what is queued already.
    if (this.#link.bufferedBytes > ANSWER_MAX_BYTES) return;
    this.#link.send(HEARTBEAT_TEXT);
  }

  #take(message: StreamMessage): void {
    if (this.#state === "leaving") return this.#takeLast(message);
    switch (message.type) {
      case "heartbeat":
        return;
      case "joined":
        this.#need("joining");
        return this.#join(message);
      case "resume":
        this.#need("resuming");
        this.#state = "open";
        return this.#owner.legResumed(message.offset);
      default:
        this.#need("open");
        return this.#owner.legMessage(message);
    }
  }

  /** What it sends again is here already; only its last word counts. */
  #takeLast(message: StreamMessage): void {
    if (message.type === "ack" && message.complete) this.#leave();
  }

  #leave(): void {
    if (this.#state === "leaving") this.close(undefined);
  }

  #need(state: LegState): void {
    if (this.#state === state) return;
    const detail = this.#state === "joining"
      ? "Cannot begin without being joined"
      : `Cannot take this while ${this.#state}`;
    throw new Fault("messageUnexpected", detail);
  }

  #join(joined: Joined): void {
    this.#joinDeadline.abort();
    this.#watch = this.#ports.heartbeats.watch({
      beat: (echo) =>
        this.#link.send(echo ? HEARTBEAT_ECHO_TEXT : HEARTBEAT_TEXT),
      paused: () => false,
      silent: (silentMs) => this.giveUp(silenceFault(silentMs)),
      doubter: this.#owner.doubter?.(this),
    }, joined.heartbeat);
    const resumeOffset = this.#resumeOffset;
    this.#state = resumeOffset ? "resuming" : "open";
    if (resumeOffset) {
      const offset = resumeOffset();
      this.#link.send(JSON.stringify({ type: "resume", offset }));
    }
    this.#owner.legJoined(joined);
  }

  /** The stream's first link is its end; another one may be tried again. */
  #notJoined(): void {
    const fault = new Fault(
      "openTimedOut",
      "The gateway did not join the tunnel",
      { hint: "Try again; if it stays so, look at the gateway's log" },
    );
    if (this.#resumeOffset) return this.giveUp(fault);
    this.#owner.legFailed(fault);
  }

  /** Ends a link that is thought dead: whoever is there still learns why. */
  giveUp(fault: Fault): void {
    closeWithFault(this.#link, fault);
    this.#ended(fault, false);
    this.#link.terminate();
  }

  #ended(fault: Fault, isHeard: boolean): void {
    if (this.#state === "closed") return;
    this.#state = "closed";
    this.#gone.abort();
    this.#watch?.stop();
    this.#joinDeadline.abort();
    this.#owner.legClosed(this, fault, isHeard);
  }
}
