import { Fault } from "../../src/protocol/fault.ts";
import { WindowBudget } from "../../src/stream/window_budget.ts";
import { Heartbeats } from "../../src/transport/heartbeats.ts";
import type { Link } from "../../src/transport/link.ts";
import type { ReopenPorts } from "../../src/transport/reopen.ts";
import { runStream } from "../../src/transport/stream_link.ts";
import type { StreamResult } from "../../src/transport/stream_ports.ts";
import { ManualClock } from "../support/manual_clock.ts";
import { type MemoryLinks, memoryLinks } from "../support/memory_link.ts";
import { MemorySocket } from "../support/memory_socket.ts";

/** What a gateway says first over the `count`th link of a stream. */
export function joinedText(count: number, detachMs = 60_000): string {
  return JSON.stringify({
    type: "joined",
    tunnel: "0123456789abcdef0123456789abcdef",
    heartbeat: { interval_ms: 20_000, timeout_ms: 45_000 },
    resume_token: `token.${count}`,
    detach_ms: detachMs,
  });
}

/** One dial of an end, and what the test makes of it. */
export class Dial {
  readonly token: string;
  readonly signal: AbortSignal;
  readonly atMs: number;
  readonly links: MemoryLinks = memoryLinks();
  readonly #outcome = Promise.withResolvers<Link>();

  constructor(token: string, signal: AbortSignal, atMs: number) {
    this.token = token;
    this.signal = signal;
    this.atMs = atMs;
    const stop = () => this.#outcome.reject(signal.reason);
    signal.addEventListener("abort", stop, { once: true });
    const remove = () => signal.removeEventListener("abort", stop);
    this.#outcome.promise.then(remove, remove);
  }

  get outcome(): Promise<Link> {
    return this.#outcome.promise;
  }

  accept(): MemoryLinks {
    this.#outcome.resolve(this.links.near);
    return this.links;
  }

  fail(fault: Fault): void {
    this.#outcome.reject(fault);
  }
}

/** A stream that may come back, its program, and its dials. */
export class ResumeSide {
  readonly socket = new MemorySocket();
  readonly budget = new WindowBudget(4 * 1024 * 1024);
  readonly stop = new AbortController();
  readonly first: MemoryLinks = memoryLinks();
  readonly dials: Dial[] = [];
  /** `lost` with a code and `back` with a time, in order. */
  readonly news: string[] = [];
  /** What `Math.random()` would be. */
  random = 0.5;
  result: StreamResult | undefined;
  /** What takes the place of a token in a dial that asks anew. */
  static readonly ANEW = "anew";
  /** Called for each dial: what the gateway does at once. */
  dialed: (dial: Dial) => void = () => undefined;
  /** Undefined: a link that is lost before it is joined ends the stream. */
  reopen:
    | Pick<ReopenPorts, "leftAtMs" | "returnTicket">
    | undefined;
  isScouting = false;
  /** Tick only if the test runs them. */
  heartbeats: Heartbeats | undefined;

  start(clock: ManualClock): void {
    const random = () => this.random;
    const dial = (token: string, signal: AbortSignal) => {
      const dial = new Dial(token, signal, clock.now());
      this.dials.push(dial);
      this.dialed(dial);
      return dial.outcome;
    };
    const anew = (signal: AbortSignal) => dial(ResumeSide.ANEW, signal);
    this.heartbeats = new Heartbeats(clock, "probe");
    void runStream(this.socket, this.first.near, {
      clock,
      heartbeats: this.heartbeats,
      isScouting: this.isScouting,
      budget: this.budget,
      joined: () => undefined,
      reopen: this.reopen && { ...this.reopen, dial: anew, random },
      resume: {
        random,
        lingerMs: 60_000,
        dial,
        lost: ({ code }) => this.news.push(`lost ${code}`),
        back: (ms) => this.news.push(`back ${ms}`),
      },
    }, this.stop.signal).then((result) => this.result = result);
  }

  /** How it ended: `cleanly`, a fault's code, or `not yet`. */
  get ending(): string {
    if (!this.result) return "not yet";
    return this.result.fault?.code ?? "cleanly";
  }

  /** Its newest link, with both ends. */
  get present(): MemoryLinks {
    return this.dials.at(-1)?.links ?? this.first;
  }

  get lastDial(): Dial {
    const dial = this.dials.at(-1);
    if (!dial) throw new Error("Nobody has dialed");
    return dial;
  }
}

/** Joins two ends, and joins them again, as a gateway does. */
export class ResumeGateway {
  readonly near: ResumeSide;
  readonly far: ResumeSide;
  joinedCount = 0;
  /** Cuts each new wire of an end, if the test wants it to. */
  shape: (side: ResumeSide, links: MemoryLinks) => void = () => undefined;
  /** Called when it has heard and answered a goodbye, and told nobody yet. */
  goodbyeHeard: () => void = () => undefined;
  readonly #waiting = new Map<ResumeSide, Link>();
  #active: readonly Link[] = [];
  /** One end has said goodbye. */
  isFinished = false;

  constructor(clock: ManualClock) {
    this.near = new ResumeSide();
    this.far = new ResumeSide();
    for (const side of [this.near, this.far]) {
      side.dialed = (dial) => {
        const links = dial.accept();
        this.shape(side, links);
        this.#meet(side, links.far);
      };
      side.start(clock);
    }
  }

  /** All links break, nobody waits any more, and all that it knew is gone. */
  kill(): void {
    this.isFinished = false;
    const links = [...this.#active, ...this.#waiting.values()];
    this.#active = [];
    this.#waiting.clear();
    for (const link of links) link.terminate();
  }

  /** Joins the first links of both. */
  begin(): void {
    for (const side of [this.near, this.far]) {
      this.shape(side, side.first);
      this.#waiting.set(side, side.first.far);
    }
    this.#join();
  }

  #meet(side: ResumeSide, link: Link): void {
    if (this.isFinished) return link.close(1000, "");
    for (const old of this.#active) old.close(4003, "A newer link has come");
    this.#waiting.get(side)?.close(4001, "");
    this.#waiting.set(side, link);
    link.handle({
      message: () => link.close(4409, ""),
      drain: () => undefined,
      closed: () => {
        if (this.#waiting.get(side) === link) this.#waiting.delete(side);
      },
    });
    this.#join();
  }

  #finish(): void {
    this.isFinished = true;
    for (const waiting of this.#waiting.values()) waiting.close(1000, "");
    this.goodbyeHeard();
  }

  #join(): void {
    const near = this.#waiting.get(this.near);
    const far = this.#waiting.get(this.far);
    if (!near || !far) return;
    this.#waiting.clear();
    this.#active = [near, far];
    this.joinedCount++;
    for (const [link, other] of [[near, far], [far, near]] as const) {
      link.handle({
        message: (message) => other.send(message),
        drain: () => undefined,
        closed: ({ code, reason }) => {
          if (code === 1000) this.#finish();
          const isTold = code === 1000 || (code >= 4000 && code !== 4420);
          other.close(isTold ? code : 4003, reason);
        },
      });
    }
    for (const link of [near, far]) link.send(joinedText(this.joinedCount));
  }
}
