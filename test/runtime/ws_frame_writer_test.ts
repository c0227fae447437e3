import { expect, test } from "bun:test";
import { type Frame, writeFrames } from "../../src/runtime/ws_frame_writer.ts";

const BINARY = 2;

/** All that `queue` becomes, and in how many writes. */
function written(queue: Frame[]): { bytes: Buffer; writeCount: number } {
  const writes: Buffer[] = [];
  while (queue.length > 0) {
    writeFrames(queue, (bytes) => writes.push(Buffer.from(bytes)) > 0);
  }
  return { bytes: Buffer.concat(writes), writeCount: writes.length };
}

function frameOf(size: number, fill = 1): Frame {
  return { opcode: BINARY, payload: new Uint8Array(size).fill(fill) };
}

for (
  const [size, header] of [
    [0, [0x82, 0]],
    [125, [0x82, 125]],
    [126, [0x82, 126, 0, 126]],
    [65_535, [0x82, 126, 255, 255]],
    [65_536, [0x82, 127, 0, 0, 0, 0, 0, 1, 0, 0]],
  ] as const
) {
  test(`writeFrames() puts the header of ${size} bytes before them`, () => {
    const { bytes } = written([frameOf(size)]);
    expect([...bytes.subarray(0, header.length)]).toEqual([...header]);
    expect(bytes.subarray(header.length).every((byte) => byte === 1))
      .toBeTrue();
    expect(bytes.length).toBe(header.length + size);
  });
}

test("writeFrames() writes what waits in one piece, 256 KiB at most", () => {
  const few = [frameOf(10, 1), frameOf(20, 2)];
  const { bytes, writeCount } = written(few);
  expect([bytes.length, writeCount]).toEqual([34, 1]);
  const many = Array.from({ length: 8 }, (_, i) => frameOf(65_000, i));
  const all = written(many);
  expect(all.writeCount).toBe(2);
  const fills = Array.from(
    { length: 8 },
    (_, i) => all.bytes[i * 65_004 + 4],
  );
  expect(fills).toEqual([0, 1, 2, 3, 4, 5, 6, 7]);
});

test("writeFrames() writes a frame that is longer than all else, alone", () => {
  const { bytes, writeCount } = written([frameOf(300_000), frameOf(1)]);
  expect([bytes.length, writeCount]).toEqual([300_013, 2]);
});

test("writeFrames() uses no memory again that is needed still", () => {
  const kept: Uint8Array[] = [];
  const done: (() => void)[] = [];
  const keep = (bytes: Uint8Array, isDone: () => void) => {
    kept.push(bytes);
    done.push(isDone);
    return false;
  };
  writeFrames([frameOf(10_000, 1)], keep);
  writeFrames([frameOf(10_000, 2)], keep);
  expect(kept.map((it) => it[100])).toEqual([1, 2]);
  done[0]?.();
  writeFrames([frameOf(10_000, 3)], keep);
  expect(kept[1]?.[100]).toBe(2);
});
