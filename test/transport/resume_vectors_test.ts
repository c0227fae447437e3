import { expect, test } from "bun:test";
import { Fault } from "../../src/protocol/fault.ts";
import { settle } from "../support/manual_clock.ts";
import resume from "../vectors/resume.json";
import { ReturnBench } from "./return_bench.ts";

/** Longer than an end waits before it dials for the second time. */
const DIAL_WAIT_MS = 200;

/** One line of a vector: docs/PROTOCOL.md §10.5 says what each key means. */
interface Step {
  readonly hears?: object | number;
  readonly says?: object | number;
  readonly program?: string | number;
  readonly closed?: number;
  readonly closes?: number;
  readonly dials?: string;
}

/** An end in the hands of a vector. */
class VectorRun {
  readonly #bench = new ReturnBench(0);
  #dialCount = 0;

  async run(steps: readonly Step[]): Promise<void> {
    this.#bench.listen();
    for (const step of steps) {
      await this.#act(step);
      await this.#expect(step);
    }
    // What it says is all listed, in order.
    const { heard, side } = this.#bench;
    expect([heard, side.dials.length]).toEqual([[], this.#dialCount]);
  }

  get ending(): string {
    return this.#bench.side.ending;
  }

  async #act({ closed, hears, program }: Step): Promise<void> {
    const bench = this.#bench;
    const { socket } = bench.side;
    // Nothing was said before that is not listed.
    const acts = closed ?? hears ?? program;
    if (acts !== undefined) expect(bench.heard).toEqual([]);
    if (typeof hears === "number") await bench.say(new Uint8Array(hears));
    else if (hears) await bench.say(hears);
    if (closed !== undefined) await bench.lose(closed);
    if (typeof program === "number") socket.say("x".repeat(program));
    else if (program === "ends") socket.sayEnd();
    else if (program) socket.breakOff(new Fault("streamReset", "It broke off"));
    await settle();
  }

  async #expect({ closes, dials, says }: Step): Promise<void> {
    const bench = this.#bench;
    if (says !== undefined) {
      const said = bench.heard.shift();
      const isText = typeof said === "string";
      expect(isText ? JSON.parse(said) : said).toEqual(says);
    }
    if (closes !== undefined) expect(bench.ends.at(-1)).toBe(closes);
    if (dials === undefined) return;
    this.#dialCount++;
    if (bench.side.dials.length < this.#dialCount) {
      await bench.clock.advance(DIAL_WAIT_MS);
    }
    expect(bench.side.dials.length).toBe(this.#dialCount);
    expect(bench.side.lastDial.token).toBe(dials);
    await bench.accept();
  }
}

for (const { ends, name, steps } of resume.vectors) {
  test(`runStream() goes through the vector: ${name}`, async () => {
    const vector = new VectorRun();
    await vector.run(steps);
    expect(vector.ending).toBe(ends);
  });
}

test("each vector of resumption has a name of its own", () => {
  const names = resume.vectors.map(({ name }) => name);
  expect(new Set(names).size).toBe(names.length);
});
