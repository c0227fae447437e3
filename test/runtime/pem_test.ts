import { expect, test } from "bun:test";
import { decodePem, encodePem } from "../../src/runtime/pem.ts";

test("encodePem() breaks lines at 64 characters", () => {
  expect(encodePem(new Uint8Array(49), "THING")).toBe(
    `-----BEGIN THING-----\n${"A".repeat(64)}\nAA==\n-----END THING-----\n`,
  );
});

test("decodePem() finds each block of its label and nothing else", () => {
  const blocks = [Uint8Array.of(1), new Uint8Array(200), Uint8Array.of(2)];
  const text = blocks.map((block) => encodePem(block, "A")).join("text\n") +
    encodePem(Uint8Array.of(3), "B");
  expect(decodePem(text.replaceAll("\n", "\r\n"), "A")).toEqual(blocks);
  expect(decodePem(text, "B")).toEqual([Uint8Array.of(3)]);
  expect(decodePem(text, "C")).toEqual([]);
});

test("decodePem() refuses a block without end and one that is no base64", () => {
  const whole = encodePem(Uint8Array.of(1), "A");
  expect(() => decodePem(whole + whole.slice(0, -3), "A"))
    .toThrow("PEM block of A has no end");
  expect(() => decodePem(whole.replace("AQ==", "A!=="), "A")).toThrow();
});
