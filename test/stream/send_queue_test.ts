import { expect, test } from "bun:test";
import { SendQueue } from "../../src/stream/send_queue.ts";
import { SeededRandom } from "../support/seeded_random.ts";

test("SendQueue gives back what was pushed, cut to messages and to credit", () => {
  const queue = new SendQueue();
  queue.push(Uint8Array.of(1, 2, 3, 4));
  queue.push(Uint8Array.of(5));
  expect(queue.bytes).toBe(5);
  const taken = [queue.take(3), queue.take(3), queue.take(0), queue.take(3)];
  expect(taken.map((chunk) => chunk && [...chunk]))
    .toEqual([[1, 2, 3], [4], undefined, [5]]);
  expect([queue.bytes, queue.take(9)]).toEqual([0, undefined]);
});

test("SendQueue never gives more than a message holds", () => {
  const queue = new SendQueue();
  queue.push(new Uint8Array(150_000));
  const sizes = [1, 2, 3].map(() => queue.take(Infinity)?.byteLength);
  expect(sizes).toEqual([65_536, 65_536, 150_000 - 131_072]);
});

test("SendQueue copies nothing", () => {
  const queue = new SendQueue();
  const chunk = new Uint8Array(10);
  queue.push(chunk);
  expect(queue.take(4)?.buffer).toBe(chunk.buffer);
  expect(queue.take(4)?.byteOffset).toBe(4);
});

test("SendQueue holds no empty chunk, and nothing after clear()", () => {
  const queue = new SendQueue();
  queue.push(new Uint8Array(0));
  expect([queue.bytes, queue.take(1)]).toEqual([0, undefined]);
  queue.push(new Uint8Array(3));
  queue.clear();
  expect([queue.bytes, queue.take(1)]).toEqual([0, undefined]);
});

test("SendQueue loses and reorders nothing, whatever it is asked for", () => {
  const random = new SeededRandom(3);
  const queue = new SendQueue();
  let pushed = 0;
  let taken = 0;
  for (let run = 0; run < 20_000; run++) {
    if (random.chance(0.4)) {
      const size = random.below(200);
      queue.push(Uint8Array.from({ length: size }, () => pushed++ & 0xff));
    }
    for (const byte of queue.take(random.below(120)) ?? []) {
      if (byte !== (taken++ & 0xff)) throw new Error(`Wrong byte ${taken - 1}`);
    }
    if (queue.bytes !== pushed - taken) throw new Error("Wrong count");
  }
  expect(taken).toBeGreaterThan(500_000);
});
