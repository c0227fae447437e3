import { expect, test } from "bun:test";
import {
  DEVICE_ID_MAX,
  type DeviceRef,
  parseDeviceRef,
  randomHex,
  tunnelIdSchema,
} from "../../src/protocol/id.ts";

function id(number: number): DeviceRef {
  return { tag: "id", id: number };
}

function named(name: string): DeviceRef {
  return { tag: "name", name };
}

const CASES: readonly [text: string, ref: DeviceRef | undefined][] = [
  ["7", id(7)],
  ["CID-7", id(7)],
  ["cid-7", id(7)],
  ["Cid-7.mf", id(7)],
  ["7.MF", id(7)],
  ["007", id(7)],
  [String(DEVICE_ID_MAX), id(DEVICE_ID_MAX)],
  ["aula-7", named("aula-7")],
  ["aula-7.mf", named("aula-7")],
  ["aula-7.mf.mf", named("aula-7.mf")],
  ["mf", named("mf")],
  ["x".repeat(128), named("x".repeat(128))],
  ["niño", named("niño")],
  // Digits alone are an id, and no device has these.
  ["0", undefined],
  ["CID-0", undefined],
  [String(DEVICE_ID_MAX + 1), undefined],
  ["cid-99999999999", undefined],
  ["9".repeat(400), undefined],
  // Nothing, or too much.
  ["", undefined],
  [".mf", undefined],
  ["x".repeat(129), undefined],
  // A name as far as the text goes: whether it exists is the gateway's word.
  ["-7", named("-7")],
  ["cid-", named("cid-")],
  ["cid--7", named("cid--7")],
  ["7e0", named("7e0")],
  ["0x7", named("0x7")],
  ["7.0", named("7.0")],
  [" 7", named(" 7")],
  ["7\n", named("7\n")],
  ["\u0667", named("\u0667")],
  ["../../etc/passwd", named("../../etc/passwd")],
  ["__proto__", named("__proto__")],
];

for (const [text, ref] of CASES) {
  const shown = text.length > 40 ? `${text.length} × ${text[0]}` : text;
  test(`parseDeviceRef() reads ${JSON.stringify(shown)} as ${JSON.stringify(ref?.tag)}`, () => {
    expect(parseDeviceRef(text)).toEqual(ref as DeviceRef);
  });
}

test("randomHex() is a tunnel id, and never the same", () => {
  const ids = Array.from({ length: 1_000 }, randomHex);
  expect(ids.every((text) => tunnelIdSchema.safeParse(text).success)).toBe(
    true,
  );
  expect(new Set(ids).size).toBe(ids.length);
});
