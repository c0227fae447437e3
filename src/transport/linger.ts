import { Fault, FAULTS } from "../protocol/fault.ts";
import type { Joined } from "../protocol/stream_message.ts";
import type { Link } from "./link.ts";
import { closeWithFault } from "./link_end.ts";
import { type LegOwner, type LegPorts, StreamLeg } from "./stream_leg.ts";
import { type ResumePorts, WayBack, type WayBackOwner } from "./way_back.ts";

/** How often the last word is said again: docs/PROTOCOL.md §10.3. */
const FAREWELLS_MAX_COUNT = 8;

/** A stream that is complete for one end, and what that end has to say of it. */
export interface Farewell {
  /** Of the last link: with its token the other end is met. */
  readonly joined: Joined;
  /** Who comes back has so much of what we sent: all, and its end. */
  readonly sentOffset: number;
  /** How far we have come, with the end that counts as one. */
  readonly receivedOffset: number;
}

export interface LingerPorts extends LegPorts {
  readonly resume: ResumePorts;
  /** How long to stay for the other end. */
  readonly lingerMs: number;
}

/**
 * Stays behind for the other end of a stream that has ended cleanly here, and
 * whose goodbye may not have got there: says the last word once more to it,
 * over a new link, until a gateway has heard the goodbye.
 *
 * Resolves when that is done, the time is over or `signal` aborts. Never
 * rejects: here, the stream is complete whatever becomes of it.
 */
export function linger(
  farewell: Farewell,
  ports: LingerPorts,
  signal: AbortSignal,
): Promise<void> {
  return new Promise((resolve) => {
    new Lingerer(farewell, ports, signal, resolve).begin();
  });
}

class Lingerer implements LegOwner, WayBackOwner {
  readonly #farewell: Farewell;
  readonly #ports: LingerPorts;
  readonly #signal: AbortSignal;
  readonly #resolve: () => void;
  readonly #over = new AbortController();
  readonly #wayBack: WayBack;
  #leg: StreamLeg | undefined;
  #farewellCount = 0;

  constructor(
    farewell: Farewell,
    ports: LingerPorts,
    signal: AbortSignal,
    resolve: () => void,
  ) {
    this.#farewell = farewell;
    this.#ports = ports;
    this.#signal = signal;
    this.#resolve = resolve;
    const nobody = () => undefined;
    const resume = { ...ports.resume, lost: nobody, back: nobody };
    this.#wayBack = new WayBack(ports.clock, resume, this, this.#over.signal);
  }

  begin(): void {
    const { lingerMs } = this.#ports;
    const unheard = new Fault("linkLost", "The goodbye was not answered");
    this.#wayBack.lost(unheard, 0, lingerMs);
    this.#signal.addEventListener("abort", this.#stop, { once: true });
    if (this.#signal.aborted) return this.#stop();
    void this.#wayBack.seek(this.#farewell.joined);
  }

  // From the way back.

  arrived(link: Link): void {
    if (this.#over.signal.aborted) {
      const late = new Fault("linkLost", "The stream has ended meanwhile");
      return closeWithFault(link, late);
    }
    const { receivedOffset } = this.#farewell;
    this.#leg = new StreamLeg(link, this, this.#ports, () => receivedOffset);
    this.#leg.begin();
  }

  gaveUp(): void {
    this.#end();
  }

  // From the leg.

  legJoined(): void {}

  legResumed(offset: number): void {
    const leg = this.#leg;
    if (offset > this.#farewell.sentOffset) {
      return this.legFailed(
        new Fault("messageInvalid", "Cannot resume at an offset not sent"),
      );
    }
    this.#farewellCount++;
    leg?.send(JSON.stringify({
      type: "ack",
      offset: this.#farewell.receivedOffset,
      // Nothing follows that would need it.
      window_bytes: 0,
      complete: true,
    }));
    // It says goodbye when it has that, and stays if it has not.
    leg?.awaitGoodbye(this.#ports.lingerMs, this.#over.signal);
  }

  /** What it sends again, because it does not know yet that we have it. */
  legBytes(): void {}
  legMessage(): void {}
  legDrained(): void {}

  legFinished(): void {
    this.#end();
  }

  legFailed(fault: Fault): void {
    this.#leg?.close(fault);
    this.#end();
  }

  legClosed(leg: StreamLeg, fault: Fault, isHeard: boolean): void {
    if (leg !== this.#leg) return;
    this.#leg = undefined;
    const isMendable = FAULTS[fault.code].retry === "backoff" ||
      fault.code === "linkReplaced";
    const isAgain = !isHeard && isMendable &&
      this.#farewellCount < FAREWELLS_MAX_COUNT;
    if (!isAgain) return this.#end();
    void this.#wayBack.seek(this.#farewell.joined);
  }

  readonly #stop = (): void => this.#end();

  #end(): void {
    if (this.#over.signal.aborted) return;
    this.#over.abort(new Fault("linkLost", "The stream has ended"));
    this.#signal.removeEventListener("abort", this.#stop);
    this.#leg?.close(undefined);
    this.#leg = undefined;
    this.#resolve();
  }
}
