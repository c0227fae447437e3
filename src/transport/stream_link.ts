import { Fault, type FaultCode, FAULTS } from "../protocol/fault.ts";
import type { EndMessage, Joined } from "../protocol/stream_message.ts";
import { StreamEnd, type StreamSink } from "../stream/stream_end.ts";
import type { WindowBudget } from "../stream/window_budget.ts";
import type { ByteSocket } from "./byte_socket.ts";
import type { Link } from "./link.ts";
import { type LegOwner, type LegPorts, StreamLeg } from "./stream_leg.ts";

/** Above this, the local program waits: acknowledgements must get through. */
const LINK_BUFFERED_MAX_BYTES = 1024 * 1024;

/** docs/PROTOCOL.md §10: at once, then from 50 ms doubling to 2 s. */
const REDIAL_BASE_MS = 50;
const REDIAL_CAP_MS = 2_000;

/** How long to wait for a new link, unless the gateway says otherwise. */
const DETACH_DEFAULT_MS = 60_000;

/** How a link can end that leaves the stream whole. */
const RESUMABLE: readonly FaultCode[] = [
  "linkLost",
  "linkSilent",
  "peerGone",
  "gatewayDraining",
];

/** How a stream gets a new link in the place of a lost one. */
export interface ResumePorts {
  /** Dials with the token of `joined`. @throws {Fault} */
  readonly dial: (token: string, signal: AbortSignal) => Promise<Link>;
  /** Uniform in [0, 1). */
  readonly random: () => number;
  /** The link is gone; a new one is being dialed. */
  readonly lost: (fault: Fault) => void;
  /** The stream goes on, `ms` after its link was lost. */
  readonly back: (ms: number) => void;
}

export interface StreamPorts extends LegPorts {
  readonly budget: WindowBudget;
  /** Called once, when the gateway has joined the two ends. */
  readonly joined: (joined: Joined) => void;
  /** Undefined: a lost link is the end of the stream. */
  readonly resume?: ResumePorts | undefined;
}

/** What went through a stream, in bytes. */
export interface StreamCounts {
  readonly sentBytes: number;
  readonly receivedBytes: number;
}

/** What a stream came to: with a fault if it was no clean end. */
export interface StreamResult extends StreamCounts {
  readonly fault: Fault | undefined;
}

/**
 * Joins a local program to the far end of a tunnel over `link`, from the
 * gateway's `joined` until both directions have ended, over as many links as
 * that takes. Owns both from now on: they are closed when it returns.
 *
 * Never rejects: how it ended is in the result.
 */
export function runStream(
  socket: ByteSocket,
  link: Link,
  ports: StreamPorts,
  signal: AbortSignal,
): Promise<StreamResult> {
  return new Promise((resolve) => {
    const stream = new LinkedStream(socket, ports, (result) => {
      signal.removeEventListener("abort", stop);
      resolve(result);
    });
    const stop = () => stream.stop(Fault.from(signal.reason));
    signal.addEventListener("abort", stop, { once: true });
    if (signal.aborted) stop();
    stream.begin(link);
  });
}

class LinkedStream implements StreamSink, LegOwner {
  readonly #socket: ByteSocket;
  readonly #ports: StreamPorts;
  readonly #resolve: (result: StreamResult) => void;
  readonly #end: StreamEnd;
  readonly #over = new AbortController();
  /** Undefined while detached, and before the first. */
  #leg: StreamLeg | undefined;
  #joined: Joined | undefined;
  /** When the last link that worked was lost; undefined while one works. */
  #lostAtMs: number | undefined;
  #attemptCount = 0;
  #fault: Fault | undefined;

  constructor(
    socket: ByteSocket,
    ports: StreamPorts,
    resolve: (result: StreamResult) => void,
  ) {
    this.#socket = socket;
    this.#ports = ports;
    this.#resolve = resolve;
    this.#end = new StreamEnd(this, ports.budget);
  }

  begin(link: Link): void {
    const leg = new StreamLeg(link, this, this.#ports, undefined);
    this.#leg = leg;
    // Told to stop before it began.
    if (this.#over.signal.aborted) leg.close(this.#fault);
    leg.begin();
  }

  stop(fault: Fault): void {
    if (this.#leg) this.#end.localFailed(fault);
    else this.#end.abandon(fault);
  }

  // From the link.

  legJoined(joined: Joined): void {
    const first = this.#joined === undefined;
    this.#joined = joined;
    if (!first) return;
    this.#ports.joined(joined);
    this.#socket.handle({
      data: (chunk) => this.#end.localBytes(chunk),
      end: () => this.#end.localEnd(),
      drain: () => this.#end.delivered(this.#ports.clock.now()),
      closed: (fault) => {
        if (fault) this.#end.localFailed(fault);
      },
    });
  }

  legResumed(offset: number): void {
    const nowMs = this.#ports.clock.now();
    const ms = Math.round(nowMs - (this.#lostAtMs ?? nowMs));
    this.#lostAtMs = undefined;
    this.#attemptCount = 0;
    this.#ports.resume?.back(ms);
    this.#end.linkBack(offset, nowMs);
  }

  legBytes(chunk: Uint8Array): void {
    this.#end.peerBytes(chunk, this.#ports.clock.now());
  }

  legMessage(message: EndMessage): void {
    this.#end.peerMessage(message, this.#ports.clock.now());
  }

  legDrained(): void {
    this.#end.linkReady(true);
  }

  legFinished(): void {
    this.#end.peerFinished();
  }

  legFailed(fault: Fault): void {
    this.#end.localFailed(fault);
  }

  legClosed(leg: StreamLeg, fault: Fault): void {
    if (leg !== this.#leg) return;
    this.#leg = undefined;
    const isOver = this.#over.signal.aborted;
    if (!isOver && this.#mayResume(fault)) return this.#detach(fault);
    this.#end.abandon(fault);
    if (isOver) this.#settle();
  }

  // From the stream's machine.

  sendBytes(chunk: Uint8Array): void {
    const leg = this.#leg;
    leg?.send(chunk);
    if (leg && leg.bufferedBytes > LINK_BUFFERED_MAX_BYTES) {
      this.#end.linkReady(false);
    }
  }

  sendMessage(message: EndMessage): void {
    this.#leg?.send(JSON.stringify(message));
  }

  deliver(chunk: Uint8Array): boolean {
    return this.#socket.write(chunk);
  }

  endLocal(): void {
    this.#socket.end();
  }

  pauseLocal(): void {
    this.#socket.pause();
  }

  resumeLocal(): void {
    this.#socket.resume();
  }

  finished(fault: Fault | undefined): void {
    this.#fault = fault;
    this.#over.abort(fault);
    if (fault) this.#socket.reset();
    if (this.#leg) this.#leg.close(fault);
    else this.#settle();
  }

  #settle(): void {
    const { sentBytes, receivedBytes } = this.#end.counts;
    this.#resolve({ sentBytes, receivedBytes, fault: this.#fault });
  }

  #mayResume(fault: Fault): boolean {
    if (!this.#ports.resume || !this.#joined?.resume_token) return false;
    // Once we are on the way back, all that may mend itself is tried again.
    return this.#lostAtMs === undefined
      ? RESUMABLE.includes(fault.code)
      : FAULTS[fault.code].retry === "backoff";
  }

  #detach(fault: Fault): void {
    if (this.#lostAtMs === undefined) {
      this.#lostAtMs = this.#ports.clock.now();
      this.#end.linkLost();
      this.#ports.resume?.lost(fault);
    }
    void this.#redial(fault, this.#lostAtMs);
  }

  /** Dials until a link stands, or the time is over, or it is no use. */
  async #redial(lost: Fault, lostAtMs: number): Promise<void> {
    const { clock, resume } = this.#ports;
    const { resume_token: token, detach_ms: detachMs } = this.#joined ?? {};
    if (!resume || token === undefined) return;
    const { signal } = this.#over;
    const endMs = lostAtMs + (detachMs ?? DETACH_DEFAULT_MS);
    try {
      while (clock.now() < endMs) {
        const attempt = this.#attemptCount++;
        const capMs = Math.min(REDIAL_CAP_MS, REDIAL_BASE_MS * 2 ** attempt);
        if (attempt > 0) await clock.sleep(resume.random() * capMs, signal);
        const link = await this.#dialOnce(resume, token, endMs, signal);
        if (link) return this.#attach(link);
      }
      this.#end.abandon(lost);
    } catch (error) {
      this.#end.abandon(Fault.from(error));
    }
  }

  /** @throws {Fault} One that another attempt would not mend. */
  async #dialOnce(
    resume: ResumePorts,
    token: string,
    endMs: number,
    signal: AbortSignal,
  ): Promise<Link | undefined> {
    const late = new AbortController();
    const either = AbortSignal.any([signal, late.signal]);
    const leftMs = Math.max(0, endMs - this.#ports.clock.now());
    const timer = this.#ports.clock.sleep(leftMs, either).then(
      () => late.abort(new Fault("linkLost", "No new link came in time")),
      () => undefined, // It came, or nobody waits any more.
    );
    try {
      return await resume.dial(token, either);
    } catch (error) {
      signal.throwIfAborted();
      const fault = Fault.from(error);
      if (FAULTS[fault.code].retry === "backoff") return undefined;
      throw fault;
    } finally {
      late.abort();
      await timer;
    }
  }

  #attach(link: Link): void {
    const leg = new StreamLeg(
      link,
      this,
      this.#ports,
      () => this.#end.resumeOffset,
    );
    this.#leg = leg;
    leg.begin();
  }
}
