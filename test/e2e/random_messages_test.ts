import { afterAll, beforeAll, expect } from "bun:test";
import {
  parseFromAgent,
  parseFromGateway,
} from "../../src/protocol/control.ts";
import { Fault, type FaultCode, FAULTS } from "../../src/protocol/fault.ts";
import { CONTROL_MESSAGE_MAX_BYTES } from "../../src/protocol/limits.ts";
import { fuzzedText } from "../protocol/message_fuzz.ts";
import type { Child } from "../support/child.ts";
import { residentBytes } from "../support/process_memory.ts";
import { RawAgent } from "../support/raw_agent.ts";
import { RawGateway } from "../support/raw_gateway.ts";
import { RawLink, type RawMessage } from "../support/raw_link.ts";
import { SeededRandom } from "../support/seeded_random.ts";
import { type Identity, Site } from "../support/site.ts";
import { notLinux, testUnless } from "../support/test_unless.ts";
import fromAgent from "../vectors/control_from_agent.json";
import fromGateway from "../vectors/control_from_gateway.json";

// What a process holds resident is looked up as Linux tells it.
const test = testUnless(notLinux());

const SEED = Number(process.env["FUZZ_SEED"] ?? 0x6d66);
const MESSAGE_COUNT = 100_000;
const WARM_UP_COUNT = 10_000;
/** How many differ from each other. */
const DECK_COUNT = 60_000;
const TAKEN_PER_LINK_COUNT = 200;

/** RFC 6455 §7.4.1: a frame was too long; there was no close frame. */
const TOO_LONG_CLOSE = 1009;
const BROKEN_OFF = 1006;

/** 100,000 messages of 300 bytes, kept, would be more. */
const GROWTH_MAX_BYTES = 24 * 1024 * 1024;

interface Drawn {
  readonly message: RawMessage;
  /** What the link is closed with; undefined: the message is taken. */
  readonly closeCode: number | undefined;
}

let site: Site;
let gateway: Awaited<ReturnType<Site["gateway"]>>;
let computer: Identity;
/** Never says hello. */
let silent: RawLink;
let silentSinceMs: number;
let silentUntilMs: Promise<number>;

beforeAll(async () => {
  site = await Site.create();
  gateway = await site.gateway();
  computer = await site.identity("computer", "uuid-7_7");
  silent = await RawLink.dial({ url: gateway.url, identity: computer });
  silentSinceMs = performance.now();
  silentUntilMs = silent.ended.then(() => performance.now());
}, 60_000);

afterAll(async () => {
  await silent[Symbol.asyncDispose]();
  await site[Symbol.asyncDispose]();
}, 30_000);

/** Random messages, sorted into those that a parser takes and the others. */
class Deck {
  readonly #random = new SeededRandom(SEED);
  readonly #taken: Drawn[] = [];
  readonly #refused: Drawn[] = [];

  /**
   * @param endings What a message that is no mistake in itself ends a link
   * with.
   */
  constructor(
    vectors: readonly object[],
    parse: (text: string) => { readonly type: string },
    endings: Readonly<Record<string, FaultCode>>,
  ) {
    const seeds = vectors.flatMap((vector) =>
      "message" in vector ? [vector.message as object] : []
    );
    for (let count = 0; count < DECK_COUNT; count++) {
      const message = this.#message(seeds);
      const closeCode = closeCodeOf(message, parse, endings);
      const half = closeCode === undefined ? this.#taken : this.#refused;
      half.push({ message, closeCode });
    }
  }

  /** Some that are taken, and one that is not. */
  hand(): Drawn[] {
    const count = this.#random.below(2 * TAKEN_PER_LINK_COUNT);
    const taken = Array.from({ length: count }, () => {
      return this.#random.pick(this.#taken);
    });
    return [...taken, this.#random.pick(this.#refused)];
  }

  #message(seeds: readonly object[]): RawMessage {
    // As UTF-8 carries it.
    const text = fuzzedText(this.#random, seeds).toWellFormed();
    return this.#random.chance(0.02) ? Buffer.from(text.slice(0, 200)) : text;
  }
}

/** What a link is closed with after `message`; undefined: it is taken. */
function closeCodeOf(
  message: RawMessage,
  parse: (text: string) => { readonly type: string },
  endings: Readonly<Record<string, FaultCode>>,
): number | undefined {
  if (message instanceof Uint8Array) return FAULTS.messageInvalid.closeCode;
  if (Buffer.byteLength(message) > CONTROL_MESSAGE_MAX_BYTES) {
    return TOO_LONG_CLOSE;
  }
  try {
    const code = endings[parse(message).type];
    return code && FAULTS[code].closeCode;
  } catch (error) {
    return FAULTS[Fault.from(error).code].closeCode;
  }
}

/**
 * Deals hands to `child` over link after link, until it has had enough.
 *
 * @param dial Resolves with a link that is welcome.
 * @param ended Called after each link.
 * @returns How much more it then holds resident than soon after the beginning.
 */
async function deal(
  deck: Deck,
  child: Child,
  dial: () => Promise<RawLink>,
  ended: (links: number) => Promise<void>,
): Promise<number> {
  let beforeBytes = 0;
  let links = 0;
  for (let said = 0; said < MESSAGE_COUNT;) {
    if (beforeBytes === 0 && said >= WARM_UP_COUNT) {
      beforeBytes = await residentBytes(child.pid);
    }
    links++;
    await using link = await dial();
    const hand = deck.hand();
    for (const { message } of hand) link.send(message);
    said += hand.length;
    const last = hand.at(-1);
    const { code } = await link.closed;
    // Who cuts in the middle of a message may cut its last word, too.
    const told = code === BROKEN_OFF ? TOO_LONG_CLOSE : code;
    expect([last?.message, told]).toEqual([last?.message, last?.closeCode]);
    await ended(links);
  }
  return await residentBytes(child.pid) - beforeBytes;
}

test(`a gateway lives through ${MESSAGE_COUNT} random messages`, async () => {
  const { child, url } = gateway;
  const identity = await site.identity("computer", "uuid-8_8");
  await using bystander = await RawAgent.connect({ url, identity, id: 8 });
  const deck = new Deck(fromAgent.vectors, parseFromAgent, {
    hello: "messageUnexpected",
  });
  const options = { url, identity: computer, id: 7 };
  const dial = async () => (await RawAgent.connect(options)).control;
  const grownBytes = await deal(deck, child, dial, async () => {
    bystander.control.send({ type: "heartbeat", echo: true });
    await bystander.control.nextOf("heartbeat");
  });
  expect(grownBytes).toBeLessThan(GROWTH_MAX_BYTES);
}, 60_000);

test(`an agent lives through ${MESSAGE_COUNT} random messages`, async () => {
  await using gateway = await RawGateway.listen(site);
  const { child } = await site.agent({
    id: 7,
    url: gateway.url,
    services: {},
    identity: computer,
    waitFor: /agent\.start/,
  });
  const deck = new Deck(fromGateway.vectors, parseFromGateway, {
    welcome: "messageUnexpected",
    drain: "gatewayDraining",
  });
  const dial = () => gateway.welcome();
  const grownBytes = await deal(deck, child, dial, async (links) => {
    await child.line(new RegExp(`link\\.lost .*attempt=${links}\\b`));
    // A hang-up makes it dial now, whatever it waits for.
    child.kill("SIGHUP");
  });
  expect(grownBytes).toBeLessThan(GROWTH_MAX_BYTES);
}, 60_000);

test("a link on which nobody says hello is ended in 10 s", async () => {
  expect(await silent.closed).toEqual({
    code: 4408,
    reason: "Cannot welcome agent: it said no hello",
  });
  const silentMs = await silentUntilMs - silentSinceMs;
  expect(silentMs).toBeGreaterThan(9_000);
  expect(silentMs).toBeLessThan(12_000);
}, 20_000);
