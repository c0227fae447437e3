import { expect, test } from "bun:test";
import { createHash } from "node:crypto";
import { checkMachO } from "../../scripts/check_mach_o.ts";
import { signMachO } from "../../scripts/sign_mach_o.ts";

const PAGE_BYTES = 4096;
const CODE_BYTES = 3 * PAGE_BYTES + 48;
const LINKEDIT_BYTES = 48;

/** A Mach-O file of four pages, the last one not full, and a stale signature. */
function machO(staleBytes: number): Uint8Array {
  const file = new Uint8Array(CODE_BYTES + staleBytes).fill(7);
  const view = new DataView(file.buffer);
  file.fill(0, 0, 512);
  view.setUint32(0, 0xfeedfacf, true);
  view.setUint32(16, 4, true);
  segment(file, 32, "__TEXT", 0, 2 * PAGE_BYTES);
  segment(
    file,
    32 + 72,
    "__LINKEDIT",
    CODE_BYTES - LINKEDIT_BYTES,
    LINKEDIT_BYTES + staleBytes,
  );
  view.setUint32(176, 0x1b, true); // LC_UUID, to be passed over.
  view.setUint32(180, 24, true);
  view.setUint32(200, 0x1d, true);
  view.setUint32(204, 16, true);
  view.setUint32(208, CODE_BYTES, true);
  view.setUint32(212, staleBytes, true);
  return file;
}

function segment(
  file: Uint8Array,
  at: number,
  name: string,
  offset: number,
  size: number,
): void {
  const view = new DataView(file.buffer);
  view.setUint32(at, 0x19, true);
  view.setUint32(at + 4, 72, true);
  file.set(new TextEncoder().encode(name), at + 8);
  view.setBigUint64(at + 40, BigInt(offset), true);
  view.setBigUint64(at + 48, BigInt(size), true);
}

test("signMachO() hashes every page as it ends up in the file", () => {
  const signed = signMachO(machO(64), "a-name");
  const view = new DataView(signed.buffer);
  const directory = CODE_BYTES + 20;
  const word = (at: number) => view.getUint32(directory + at);
  const hashes = directory + word(16);
  const pages = word(28);
  expect(pages).toBe(4);
  for (let page = 0; page < pages; page++) {
    const from = page * PAGE_BYTES;
    const bytes = signed.subarray(
      from,
      Math.min(from + PAGE_BYTES, CODE_BYTES),
    );
    const hash = createHash("sha256").update(bytes).digest();
    const at = hashes + page * 32;
    expect(signed.subarray(at, at + 32)).toEqual(new Uint8Array(hash));
  }
});

test("signMachO() writes the blobs that macOS reads", () => {
  const signed = signMachO(machO(64), "a-name");
  const view = new DataView(signed.buffer);
  const words = (at: number, count: number) =>
    Array.from({ length: count }, (_, index) => view.getUint32(at + index * 4));
  const nameBytes = "a-name\0".length;
  const directoryBytes = 88 + nameBytes + 4 * 32;
  const directory = CODE_BYTES + 20;
  expect(words(CODE_BYTES, 5)).toEqual([
    0xfade0cc0,
    20 + directoryBytes,
    1,
    0,
    20,
  ]);
  expect(words(directory, 9)).toEqual([
    0xfade0c02,
    directoryBytes,
    0x20400,
    0x20002,
    88 + nameBytes,
    88,
    0,
    4,
    CODE_BYTES,
  ]);
  expect([...signed.subarray(directory + 36, directory + 40)]).toEqual([
    32,
    2,
    0,
    12,
  ]);
  expect(view.getBigUint64(directory + 64)).toBe(0n);
  expect(view.getBigUint64(directory + 72)).toBe(BigInt(2 * PAGE_BYTES));
  expect(view.getBigUint64(directory + 80)).toBe(1n);
  const name = signed.subarray(directory + 88, directory + 88 + nameBytes);
  expect(new TextDecoder().decode(name)).toBe("a-name\0");
});

test("signMachO() leaves a file whose sizes fit, and a second time the same", () => {
  const signed = signMachO(machO(64), "a-name");
  const view = new DataView(signed.buffer);
  const signatureBytes = view.getUint32(212, true);
  expect(signed.length).toBe(CODE_BYTES + signatureBytes);
  expect(signatureBytes % 16).toBe(0);
  const linkedit = 32 + 72;
  expect(view.getBigUint64(linkedit + 48, true)).toBe(
    BigInt(LINKEDIT_BYTES + signatureBytes),
  );
  expect(view.getBigUint64(linkedit + 32, true)).toBe(0x4000n);
  expect(signMachO(signed, "a-name")).toEqual(signed);
  expect(signMachO(machO(1_000), "a-name")).toEqual(signed);
});

test("signMachO() refuses what it cannot sign", () => {
  expect(() => signMachO(new Uint8Array(64), "a")).toThrow(
    "Cannot sign: this is no 64-bit Mach-O file",
  );
  const unsigned = machO(0);
  new DataView(unsigned.buffer).setUint32(16, 3, true);
  expect(() => signMachO(unsigned, "a")).toThrow("Cannot sign: no signature");
});

test("checkMachO() finds every page of a signed file right", () => {
  expect(checkMachO(signMachO(machO(64), "a-name"))).toEqual({
    identifier: "a-name",
    count: 4,
    wrong: [],
  });
});

test("checkMachO() finds each page that was changed after it was signed", () => {
  for (const page of [0, 1, 2, 3]) {
    const signed = signMachO(machO(64), "a-name");
    const at = page * PAGE_BYTES + (page === 0 ? 600 : 40);
    signed[at] = (signed[at] ?? 0) ^ 1;
    expect(checkMachO(signed).wrong).toEqual([page]);
  }
});

test("checkMachO() refuses what has no signature over all of it", () => {
  expect(() => checkMachO(machO(64))).toThrow("no embedded signature");
  const longer = signMachO(machO(64), "a-name");
  new DataView(longer.buffer).setUint32(CODE_BYTES + 20 + 32, PAGE_BYTES);
  expect(() => checkMachO(longer)).toThrow("covers another length");
});
