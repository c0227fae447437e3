import { expect } from "bun:test";
import { HEARTBEAT_TEXT } from "../../src/protocol/stream_message.ts";
import { abortListenerCount } from "../support/leak_check.ts";
import { ManualClock, settle } from "../support/manual_clock.ts";
import type { MemoryLink } from "../support/memory_link.ts";
import { joinedText, ResumeSide } from "./resume_bench.ts";

/** One end, whose gateway and other end are the test. */
export class ReturnBench {
  readonly clock = new ManualClock();
  readonly side = new ResumeSide();
  /** What the end said over its present link, as text or size in bytes. */
  readonly heard: (string | number)[] = [];
  readonly ends: number[] = [];

  readonly #detachMs: number | undefined;

  constructor(random: number, detachMs?: number) {
    this.#detachMs = detachMs;
    this.side.random = random;
    this.prepare();
    this.side.start(this.clock);
  }

  /** Is there more to say of the end before it starts? */
  protected prepare(): void {}

  /** The gateway's end of the present link. */
  get peer(): MemoryLink {
    const { dials, first } = this.side;
    return (dials.at(-1)?.links ?? first).far;
  }

  listen(): void {
    this.heard.length = 0;
    this.peer.handle({
      message: (message) => {
        const text = typeof message === "string" ? message : undefined;
        if (text !== HEARTBEAT_TEXT) this.heard.push(text ?? message.length);
      },
      drain: () => undefined,
      closed: ({ code }) => this.ends.push(code),
    });
  }

  async say(...messages: (object | Uint8Array)[]): Promise<void> {
    for (const message of messages) {
      const isBytes = message instanceof Uint8Array;
      this.peer.send(isBytes ? message : JSON.stringify(message));
    }
    await settle();
  }

  async join(count: number): Promise<void> {
    this.listen();
    await this.say(JSON.parse(joinedText(count, this.#detachMs)));
  }

  /** The gateway lets the last dial in, and joins the two ends anew. */
  async rejoin(offset: number): Promise<void> {
    await this.accept();
    await this.join(this.side.dials.length + 1);
    await this.say({ type: "resume", offset });
  }

  async accept(): Promise<void> {
    this.side.lastDial.accept();
    this.listen();
    await settle();
  }

  async lose(code = 4003): Promise<void> {
    this.peer.close(code, "");
    await settle();
  }

  expectReleased(): void {
    const { side } = this;
    expect([side.socket.isClosed, side.budget.takenBytes]).toEqual([true, 0]);
    expect(abortListenerCount(side.stop.signal)).toBe(0);
    expect(side.dials.map(({ signal }) => abortListenerCount(signal)))
      .toEqual(side.dials.map(() => 0));
    expect(this.clock.sleeperCount).toBe(0);
  }
}

/** An end that was joined once, and may lose its link. */
export async function joinedEnd(
  random = 0.5,
  detachMs = 60_000,
): Promise<ReturnBench> {
  const bench = new ReturnBench(random, detachMs);
  await bench.join(1);
  return bench;
}
