import { expect, test } from "bun:test";
import { plainText } from "../../src/base/text.ts";
import { SeededRandom } from "../support/seeded_random.ts";

test("plainText() leaves letters, spaces, accents and pictures alone", () => {
  const text = "Aula 7 — niño, 教室, 🖥️ 'quotes' <b>";
  expect(plainText(text, 100)).toBe(text);
});

test("plainText() replaces what could move a cursor or break a line", () => {
  expect(plainText("a\u001b[2Jb\r\nc\u0000d\u0085e\u2028f\u2029g\u007fh", 100))
    .toBe("a?[2Jb??c?d?e?f?g?h");
});

test("plainText() replaces every control of the direction of writing", () => {
  const controls = "\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e" +
    "\u2066\u2067\u2068\u2069";
  expect(plainText(controls, 100)).toBe("?".repeat(12));
});

test("plainText() takes a text at the limit whole and cuts one that is longer", () => {
  expect(plainText("abcde", 5)).toBe("abcde");
  expect(plainText("abcdef", 5)).toBe("abcd…");
  expect(plainText("", 5)).toBe("");
});

test("plainText() leaves no half of a character behind, however it cuts", () => {
  expect(plainText("ab🖥cd", 4)).toBe("ab?…");
  expect(plainText("ab🖥cd", 5)).toBe("ab🖥…");
  expect(plainText("\ud83d alone \udda5", 20)).toBe("? alone ?");
});

test("plainText() is never longer than asked, never ill-formed, and settled at once", () => {
  const random = new SeededRandom(7);
  for (let run = 0; run < 5_000; run++) {
    const units = Array.from(
      { length: random.below(24) },
      () =>
        random.chance(0.3)
          ? 0xd7f0 + random.below(0x820)
          : random.below(0x2100),
    );
    const hostile = String.fromCharCode(...units);
    const maxChars = 1 + random.below(24);
    const text = plainText(hostile, maxChars);
    expect(text.length).toBeLessThanOrEqual(maxChars);
    expect(text.isWellFormed()).toBe(true);
    expect(plainText(text, maxChars)).toBe(text);
  }
});
