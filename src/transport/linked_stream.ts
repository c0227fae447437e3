import { Fault, FAULTS } from "../protocol/fault.ts";
import type { EndMessage, Joined } from "../protocol/stream_message.ts";
import { StreamEnd, type StreamSink } from "../stream/stream_end.ts";
import type { ByteSocket } from "./byte_socket.ts";
import type { Doubter, Traffic } from "./doubt.ts";
import type { Link } from "./link.ts";
import { linger } from "./linger.ts";
import { closeWithFault } from "./link_end.ts";
import { LOST_CODES } from "./lost_codes.ts";
import { Reopening, type ReturnTicket } from "./reopen.ts";
import { Scout, type ScoutOwner } from "./scout.ts";
import { type LegOwner, StreamLeg } from "./stream_leg.ts";
import type { StreamPorts, StreamResult } from "./stream_ports.ts";
import { WayBack, type WayBackOwner } from "./way_back.ts";

/** Above this, the local program waits: acknowledgements must get through. */
const LINK_BUFFERED_MAX_BYTES = 1024 * 1024;

/** A stream, the program at this end, and the link that carries it now. */
export class LinkedStream
  implements StreamSink, LegOwner, WayBackOwner, ScoutOwner {
  readonly #socket: ByteSocket;
  readonly #ports: StreamPorts;
  readonly #resolve: (result: StreamResult) => void;
  readonly #end: StreamEnd;
  readonly #over = new AbortController();
  /** Undefined while detached, and before the first. */
  #leg: StreamLeg | undefined;
  #joined: Joined | undefined;
  /** Of `joined`, or what stands for it; undefined: nothing was given yet. */
  #ticket: ReturnTicket | undefined;
  readonly #reopening: Reopening | undefined;
  /** Undefined: there is none. */
  readonly #wayBack: WayBack | undefined;
  readonly #scout: Scout | undefined;
  #fault: Fault | undefined;
  /** Aborts when it is told to stop. */
  readonly #stopped = new AbortController();

  constructor(
    socket: ByteSocket,
    ports: StreamPorts,
    resolve: (result: StreamResult) => void,
  ) {
    this.#socket = socket;
    this.#ports = ports;
    this.#resolve = resolve;
    this.#end = new StreamEnd(this, ports.budget);
    const { clock, reopen, resume } = ports;
    const { signal } = this.#over;
    this.#reopening = reopen && new Reopening(clock, reopen);
    this.#wayBack = resume && new WayBack(clock, resume, this, signal);
    if (ports.isScouting) this.#scout = new Scout(clock, this);
  }

  /** Takes the first link, or one in the place of a first that was lost. */
  begin(link: Link): void {
    const leg = new StreamLeg(link, this, this.#ports, undefined);
    this.#leg = leg;
    // Told to stop before it began.
    if (this.#over.signal.aborted) leg.close(this.#fault);
    leg.begin();
  }

  stop(fault: Fault): void {
    this.#stopped.abort(fault);
    // Without a link to say it over, nobody waits for one.
    if (this.#wayBack?.isAway) this.#end.abandon(fault);
    else this.#end.localFailed(fault);
  }

  // From the link.

  legJoined(joined: Joined): void {
    const first = this.#joined === undefined;
    this.#joined = this.#ticket = joined;
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
    // Its end, which counts as one, is no byte.
    const replayedBytes = Math.max(0, this.#end.counts.sentBytes - offset);
    this.#wayBack?.back(replayedBytes);
    this.#end.linkBack(offset, this.#ports.clock.now());
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
    this.stop(fault);
  }

  legClosed(leg: StreamLeg, fault: Fault, isHeard: boolean): void {
    if (leg !== this.#leg) return;
    this.#leg = undefined;
    if (this.#over.signal.aborted) return this.#leave(isHeard);
    if (this.#ticket) {
      if (this.#mayResume(fault)) return this.#detach(fault);
    } else if (this.#reopening?.mayFollow(fault)) {
      return void this.#reopen(this.#reopening);
    } else {
      this.#ticket = this.#reopening?.returnTicket(fault);
      const lost = new Fault("linkLost", "The link was lost");
      if (this.#ticket) return this.#detach(lost);
    }
    this.#end.abandon(fault);
  }

  doubter(leg: StreamLeg): Doubter | undefined {
    return this.#scout?.doubter(() => leg === this.#leg);
  }

  // From the scout.

  get traffic(): Traffic {
    return this.#end.counts;
  }

  get reachedBytes(): number {
    const { receivedBytes, replayBytes, sentBytes } = this.#end.counts;
    return receivedBytes + sentBytes - replayBytes;
  }

  async scout(): Promise<boolean> {
    if (!this.#ticket || !this.#mayResume(undefined)) return false;
    return await this.#wayBack?.scout(this.#ticket) ?? false;
  }

  recall(): void {
    this.#wayBack?.recall();
  }

  exchange(fault: Fault): void {
    const leg = this.#leg;
    this.#leg = undefined;
    leg?.giveUp(fault);
    this.#ports.heartbeats.suspect();
    this.#detach(fault);
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
    if (!this.#leg) return this.#settle();
    const { resume } = this.#ports;
    const isSure = fault || this.#end.isPeerComplete;
    if (isSure || !resume || !this.#mayResume(undefined)) {
      return this.#leg.close(fault);
    }
    this.#leg.awaitGoodbye(resume.lingerMs, this.#stopped.signal);
  }

  /** All is said here; the other end may not have heard it. */
  #leave(isHeard: boolean): void {
    const { resume } = this.#ports;
    const joined = this.#joined;
    const isNeeded = !isHeard && !this.#fault && this.#mayResume(undefined);
    if (!isNeeded || !joined || !resume) return this.#settle();
    const { receivedBytes, sentBytes } = this.#end.counts;
    const detachMs = joined.detach_ms ?? resume.lingerMs;
    const lingerMs = Math.min(resume.lingerMs, detachMs);
    // The end counts as one, in both directions.
    const [sentOffset, receivedOffset] = [sentBytes + 1, receivedBytes + 1];
    const { signal } = this.#stopped;
    void linger(
      { joined, sentOffset, receivedOffset },
      { ...this.#ports, resume, lingerMs },
      signal,
    ).then(() => this.#settle());
  }

  #settle(): void {
    const { sentBytes, receivedBytes } = this.#end.counts;
    this.#resolve({ sentBytes, receivedBytes, fault: this.#fault });
  }

  #mayResume(fault: Fault | undefined): boolean {
    const { resume_token: token, detach_ms: detachMs } = this.#ticket ?? {};
    if (!this.#wayBack || !token || detachMs === 0) return false;
    if (!fault) return true;
    // Once we are on the way back, all that may mend itself is tried again. A
    // link that replaced ours is one that we have given up: it came late.
    return this.#wayBack.isAway
      ? FAULTS[fault.code].retry === "backoff" || fault.code === "linkReplaced"
      : LOST_CODES.includes(fault.code);
  }

  #detach(fault: Fault): void {
    const wayBack = this.#wayBack;
    const ticket = this.#ticket;
    if (!wayBack || !ticket) return;
    if (!wayBack.isAway) {
      const { reachedBytes } = this;
      this.#end.linkLost();
      wayBack.lost(fault, reachedBytes, ticket.detach_ms);
    }
    void wayBack.seek(ticket);
  }

  /** The first link was lost before it was of any use. */
  async #reopen(reopening: Reopening): Promise<void> {
    try {
      this.begin(await reopening.next(this.#over.signal));
    } catch (error) {
      this.#end.abandon(Fault.from(error));
    }
  }

  // From the way back.

  arrived(link: Link): void {
    // It stood in the same turn in which the stream ended.
    if (this.#over.signal.aborted) {
      const late = new Fault("linkLost", "The stream has ended meanwhile");
      return closeWithFault(link, this.#fault ?? late);
    }
    const leg = new StreamLeg(
      link,
      this,
      this.#ports,
      () => this.#end.resumeOffset,
    );
    this.#leg = leg;
    leg.begin();
  }

  gaveUp(fault: Fault): void {
    this.#end.abandon(fault);
  }
}
