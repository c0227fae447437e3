import { expect, test } from "bun:test";
import { DER_TAGS, DerReader } from "../../src/runtime/der.ts";

function reader(hex: string): DerReader {
  return new DerReader(Uint8Array.fromHex(hex));
}

test("DerReader reads elements one after another and enters them", () => {
  const outer = reader("300502010131000c0161");
  expect(outer.nextTag).toBe(DER_TAGS.sequence);
  const inner = outer.enter(DER_TAGS.sequence);
  expect(inner.read(DER_TAGS.integer)).toEqual({
    tag: DER_TAGS.integer,
    content: Uint8Array.of(1),
    whole: Uint8Array.of(2, 1, 1),
  });
  expect(inner.read(DER_TAGS.set).content).toEqual(new Uint8Array());
  inner.end();
  expect(outer.read(DER_TAGS.bmpString, DER_TAGS.utf8String)).toEqual({
    tag: DER_TAGS.utf8String,
    content: Uint8Array.of(0x61),
    whole: Uint8Array.of(0x0c, 1, 0x61),
  });
  expect(outer.nextTag).toBeUndefined();
  outer.end();
});

test("DerReader reads long lengths", () => {
  const content = new Uint8Array(0x123);
  const bytes = Uint8Array.of(0x30, 0x82, 0x01, 0x23, ...content);
  expect(new DerReader(bytes).read(DER_TAGS.sequence))
    .toEqual({ tag: DER_TAGS.sequence, content, whole: bytes });
});

test("DerReader refuses what is cut short, unexpected, left over or endless", () => {
  const cases: [hex: string, message: string][] = [
    ["", "DER has tag undefined, expected 48"],
    ["0201", "DER has tag 2, expected 48"],
    ["30", "DER has no length"],
    ["3001", "DER element is cut short"],
    ["3082ff", "DER length is not supported"],
    ["3084ffffffff", "DER element is cut short"],
    ["308500000000", "DER length is not supported"],
    ["30800000", "DER length is not supported"],
  ];
  for (const [hex, message] of cases) {
    expect(() => reader(hex).read(DER_TAGS.sequence)).toThrow(message);
  }
  expect(() => reader("00").end()).toThrow("DER has bytes left over");
});
