import { expect, test } from "bun:test";
import { writeFile } from "node:fs/promises";
import {
  quoteCommand,
  splitCommand,
} from "../../src/protocol/command_words.ts";
import { Fault } from "../../src/protocol/fault.ts";
import { runChild } from "../support/child.ts";
import { SeededRandom } from "../support/seeded_random.ts";
import { makeTemporaryDir } from "../support/temporary_dir.ts";
import { missingProgram, testUnless } from "../support/test_unless.ts";

const RUN_COUNT = 20_000;
const SEED = Number(process.env["FUZZ_SEED"] ?? 0x776f);

/** Pieces that make words, near words and traps. */
const PIECES = [
  ..." \t\r\n'\"\\!#$;|&*?~=ab",
  // Often enough that most texts have an open quote closed.
  ...'\'"\'""',
  ...["''", '""', "\\\\", '\\"', "\\'", "\\\n", "\\$", "\\ "],
  ...["ñ", "日本", "\u00a0", "\f"],
];

function randomText(random: SeededRandom): string {
  const count = random.below(16);
  return Array.from({ length: count }, () => random.pick(PIECES)).join("");
}

/** What comes of a text: words, or the message of the fault. */
function outcomeOf(text: string): string[] | string {
  try {
    return splitCommand(text);
  } catch (error) {
    if (error instanceof Fault && error.code === "messageInvalid") {
      return error.message;
    }
    throw error;
  }
}

const OPEN_QUOTE = "Invalid command syntax: No closing quotation";
const NO_ESCAPED = "Invalid command syntax: No escaped character";

test.each<[string, string[] | string]>([
  ["", []],
  [" \t\r\n ", []],
  ["migasfree sync", ["migasfree", "sync"]],
  ["  a\tb\r\nc  ", ["a", "b", "c"]],
  ["a '' b\"\"", ["a", "", "b"]],
  [`'a b'"c d"e\\ f`, ["a bc de f"]],
  [`'it'\\''s'`, ["it's"]],
  [`"\\$x \\a \\\\ \\""`, ['\\$x \\a \\ "']],
  [`'\\'`, ["\\"]],
  ["\\\n", ["\n"]],
  ["a # b", ["a", "#", "b"]],
  ["migasfree x; id | $(id) `id` *", [
    ...["migasfree", "x;", "id", "|", "$(id)", "`id`", "*"],
  ]],
  ["a\u00a0b", ["a\u00a0b"]],
  ["'", OPEN_QUOTE],
  ['a "b', OPEN_QUOTE],
  [`a "b\\"`, OPEN_QUOTE],
  ["a\\", NO_ESCAPED],
  ['"a\\', NO_ESCAPED],
])("splitCommand(%j) is %j", (text, expected) => {
  expect(outcomeOf(text)).toEqual(expected);
});

test("splitCommand() takes 256 words and 65,536 characters, and no more", () => {
  expect(splitCommand("x ".repeat(256)).length).toBe(256);
  expect(outcomeOf("x ".repeat(257)))
    .toBe("Invalid command syntax: it has over 256 words");
  expect(outcomeOf("x".repeat(65_536))).toEqual(["x".repeat(65_536)]);
  expect(outcomeOf("x".repeat(65_537)))
    .toBe("Invalid command syntax: it has over 65536 characters");
});

test(`splitCommand() takes apart what quoteCommand() joins, in ${RUN_COUNT} runs`, () => {
  const random = new SeededRandom(SEED);
  for (let run = 0; run < RUN_COUNT; run++) {
    const words = Array.from(
      { length: random.below(5) },
      () => randomText(random),
    );
    const line = quoteCommand(words);
    if (Bun.deepEquals(splitCommand(line), words)) continue;
    throw new Error(`seed ${SEED}, run ${run}: ${JSON.stringify(words)}`);
  }
});

/** Answers a list of texts with what `shlex.split` says of each. */
const SHLEX = `
import json, shlex, sys
def outcome(text):
    try:
        return shlex.split(text)
    except ValueError as error:
        return "Invalid command syntax: " + str(error)
json.dump([outcome(text) for text in json.load(open(sys.argv[1]))], sys.stdout)
`;

testUnless(missingProgram("python3"))(
  `splitCommand() says what Python's shlex says, of ${RUN_COUNT} texts`,
  async () => {
    const random = new SeededRandom(SEED);
    const texts = Array.from({ length: RUN_COUNT }, () => randomText(random));
    await using dir = await makeTemporaryDir();
    await writeFile(`${dir.path}/texts`, JSON.stringify(texts));
    const { stdout, stderr } = await runChild([
      ...["python3", "-c", SHLEX, `${dir.path}/texts`],
    ]);
    expect(stderr).toBe("");
    const expected: unknown[] = JSON.parse(stdout);
    expect(expected.length).toBe(RUN_COUNT);
    const wrong = texts.filter((text, at) =>
      !Bun.deepEquals(outcomeOf(text), expected[at])
    );
    expect(wrong).toEqual([]);
  },
  20_000,
);
