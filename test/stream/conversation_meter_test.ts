import { expect, test } from "bun:test";
import { ConversationMeter } from "../../src/stream/conversation_meter.ts";

/** What the meter says of messages of `sizes` bytes, one each `everyMs`. */
function said(sizes: readonly number[], everyMs: number): boolean {
  const meter = new ConversationMeter();
  let offset = 0;
  return sizes
    .map((size, i) => meter.received(offset += size, 5_000 + i * everyMs))
    .includes(true);
}

test("ConversationMeter knows keys, however seldom, and their echoes, however fast", () => {
  expect(said([36, 36, 36], 900)).toBeTrue();
  expect(said(Array.from({ length: 2_000 }, () => 64), 0.25)).toBeTrue();
});

test("ConversationMeter takes one message alone for nothing", () => {
  expect(said([7], 0)).toBeFalse();
  expect(said([7, 9], 100)).toBeFalse();
});

test("ConversationMeter needs three messages in a row, and no time", () => {
  expect(said([36, 36], 0.1)).toBeFalse();
  expect(said([36, 36, 36], 0.1)).toBeTrue();
});

test("ConversationMeter takes bulk for none, also if it begins with a request", () => {
  const bulk = Array.from({ length: 1_000 }, () => 60_000);
  expect(said([12, ...bulk], 1)).toBeFalse();
  expect(said(bulk, 300)).toBeFalse();
});

test("ConversationMeter takes a desktop's picture for bulk, unless it rests", () => {
  const moving = Array.from({ length: 1_000 }, (_, i) => i % 3 ? 20 : 16_000);
  expect(said(moving, 2)).toBeFalse();
  expect(said([...moving, 20, 20, 20, 20, 20], 2)).toBeTrue();
});

test("ConversationMeter finds a conversation again after bulk", () => {
  const meter = new ConversationMeter();
  let offset = 0;
  for (let ms = 0; ms < 1_000; ms++) meter.received(offset += 60_000, ms);
  const found = [1_300, 1_400, 1_600].map((ms) =>
    meter.received(offset += 30, ms)
  );
  expect(found.at(-1)).toBeTrue();
});
