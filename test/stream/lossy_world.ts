import type { Fault } from "../../src/protocol/fault.ts";
import type { EndMessage } from "../../src/protocol/stream_message.ts";
import type { WindowBudget } from "../../src/stream/window_budget.ts";
import type { SeededRandom } from "../support/seeded_random.ts";
import { WorldSide } from "./stream_world.ts";

/**
 * What one end has of its link.
 *
 *     open --notice()--> lost --both are--> joining --begin()--> resuming
 *     resuming --the other's resume--> open
 *     joining, resuming --notice()--> lost
 */
type LegState = "open" | "lost" | "joining" | "resuming";

/** A stream end whose links come and go. */
export class LossySide extends WorldSide {
  leg: LegState = "open";
  /** What we have said first over the present link, on its way. */
  saidResume: number | undefined;
  lossCount = 0;
  readonly #link: LossyLink;
  readonly #random: SeededRandom;

  constructor(
    name: string,
    budget: WindowBudget,
    link: LossyLink,
    random: SeededRandom,
  ) {
    super(name, budget);
    this.#link = link;
    this.#random = random;
  }

  override sendBytes(chunk: Uint8Array): void {
    this.#mayBeSent("bytes");
    super.sendBytes(chunk);
    if (this.#link.isBroken) this.outgoing.pop();
    // As a link does that has enough to send already.
    if (this.#random.chance(0.1)) this.end.linkReady(false);
  }

  override sendMessage(message: EndMessage): void {
    this.#mayBeSent(message.type);
    super.sendMessage(message);
    if (this.#link.isBroken) this.outgoing.pop();
  }

  #mayBeSent(what: string): void {
    if (this.leg === "open") return;
    throw new Error(`${what} was sent while the link is ${this.leg}`);
  }
}

/** Two ends, and one link after another between them. */
export class LossyLink {
  readonly near: LossySide;
  readonly far: LossySide;
  isBroken = false;
  readonly #random: SeededRandom;

  constructor(budget: WindowBudget, random: SeededRandom) {
    this.#random = random;
    this.near = new LossySide("near", budget, this, random);
    this.far = new LossySide("far", budget, this, random);
  }

  get sides(): readonly LossySide[] {
    return [this.near, this.far];
  }

  peerOf(side: LossySide): LossySide {
    return side === this.near ? this.far : this.near;
  }

  /** Breaks the link: of what is under way, some still arrives. */
  cut(): void {
    if (this.isBroken) return;
    this.isBroken = true;
    for (const side of this.sides) {
      const { outgoing } = side;
      outgoing.splice(this.#random.below(outgoing.length + 1));
      if (this.#random.chance(0.5)) continue;
      if (side.saidResume !== undefined) outgoing.length = 0;
      side.saidResume = undefined;
    }
  }

  /** `side` sees that the link is broken; the last of both dials anew. */
  notice(side: LossySide): void {
    if (!this.isBroken || side.leg === "lost") return;
    side.leg = "lost";
    side.lossCount++;
    side.end.linkLost();
    const peer = this.peerOf(side);
    peer.outgoing.length = 0;
    peer.saidResume = undefined;
    if (peer.leg !== "lost") return;
    this.isBroken = false;
    for (const each of this.sides) {
      each.leg = "joining";
      each.outgoing.length = 0;
      each.saidResume = undefined;
    }
  }

  /** `side` hears that it is joined, and says how far it is. */
  begin(side: LossySide): void {
    if (side.leg !== "joining" || side.isOver) return;
    side.leg = "resuming";
    if (!this.isBroken) side.saidResume = side.end.resumeOffset;
  }

  /** The next thing that is on its way to `side` arrives, if any. */
  arrive(side: LossySide, nowMs: number): boolean {
    const peer = this.peerOf(side);
    if (side.leg === "open") return side.hear(peer, nowMs, this.#share());
    if (side.leg !== "resuming" || peer.saidResume === undefined) return false;
    const offset = peer.saidResume;
    peer.saidResume = undefined;
    side.leg = "open";
    // Its end, which counts as one, is no byte.
    side.nextOffset = Math.min(offset, side.nextOffset);
    side.end.linkBack(offset, nowMs);
    return true;
  }

  /** Now and then, the other end grants less than its window. */
  #share(): number {
    return this.#random.chance(0.3) ? 0.75 + this.#random.next() / 4 : 1;
  }

  /** The other end is gone, and `side` has heard all that it ever will. */
  peerLeft(side: LossySide, lost: Fault): void {
    const [fault] = this.peerOf(side).finishes;
    if (fault) side.end.abandon(lost);
    else side.end.peerFinished();
  }
}
