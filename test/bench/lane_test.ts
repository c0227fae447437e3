import { expect, test } from "bun:test";
import { Lane } from "../../bench/lane.ts";

const ORDER = {
  delayMs: 100,
  lossShare: 0,
  bytesPerS: 1_000_000,
  queueMaxBytes: 1_500,
};
const PACKET = new Uint8Array(1_000);

test("a Lane brings a packet after its own time on the line and the delay", () => {
  const lane = new Lane(() => 0.5);
  lane.order = ORDER;
  lane.push(PACKET, 10);
  expect(lane.dueMs).toBe(111);
  expect(lane.shift(110.9)).toBeUndefined();
  expect(lane.shift(111)).toBe(PACKET);
  expect([lane.dueMs, lane.shift(500)]).toEqual([Infinity, undefined]);
});

test("a Lane sends one packet after the other, and drops what cannot wait", () => {
  const lane = new Lane(() => 0.5);
  lane.order = ORDER;
  const packets = [1, 2, 3, 4].map(() => new Uint8Array(1_000));
  for (const packet of packets) lane.push(packet, 0);
  // Two wait at most half their bytes too long: the third may not.
  expect([101, 102, 103, 104].map((nowMs) => lane.shift(nowMs)))
    .toEqual([packets[0], packets[1], undefined, undefined]);
});

test("a Lane loses as many as it was told to", () => {
  let random = 0;
  const lane = new Lane(() => random);
  lane.order = { ...ORDER, lossShare: 0.01 };
  random = 0.0099;
  lane.push(PACKET, 0);
  expect(lane.dueMs).toBe(Infinity);
  random = 0.01;
  lane.push(PACKET, 0);
  expect(lane.dueMs).toBe(101);
});
