import { expect, test } from "bun:test";
import type { Gate } from "../../scripts/gates.ts";
import { judgeTests, runGate } from "../../scripts/run_gate.ts";

const NEVER = new AbortController().signal;

const TESTS: Gate = {
  name: "unit",
  does: "runs tests",
  command: ["bun", "test"],
  limitMs: 1_000,
  tests: { include: /^test\//, limitMs: 100 },
};

const A = "test/a_test.ts";
const B = "test/b_test.ts";

/** As Bun 1.4.5 writes it. */
function report(counts: string, ...files: string[]): string {
  const suites = files.map((file) =>
    `  <testsuite name="${file}" file="${file}" tests="1" time="0">
    <testsuite name="in &lt;it&gt;" file="${file}" line="6" tests="1" />
  </testsuite>`
  );
  return `<?xml version="1.0" encoding="UTF-8"?>
<testsuites name="bun test" ${counts} time="0.3">
${suites.join("\n")}
</testsuites>`;
}

function judge(
  xml: string | undefined,
  exitCode: number,
  output = "",
): { state: string; counts: number[]; text: string } {
  const result = { exitCode, output, isLate: false, elapsedMs: 5 };
  const verdict = judgeTests(TESTS, [A, B], xml, result, 1_000);
  const { state, passed, failed, skipped, text } = verdict;
  return { state, counts: [passed, failed, skipped], text };
}

test("judgeTests() takes its numbers from the report", () => {
  const xml = report(
    'tests="10" assertions="9" failures="0" skipped="2"',
    A,
    B,
  );
  expect(judge(xml, 0)).toEqual({ state: "PASS", counts: [8, 0, 2], text: "" });
});

test("judgeTests() says why tests were skipped, once for each reason", () => {
  const xml = report('tests="3" assertions="0" failures="0" skipped="2"', A, B);
  const output = "Skipping: no sshd\nnoise\nSkipping: no sshd\nSkipping: b\n";
  expect(judge(xml, 0, output)).toEqual({
    state: "PASS",
    counts: [1, 0, 2],
    text: "Skipping: no sshd\nSkipping: b",
  });
});

test("judgeTests() shows the output of a run with failures", () => {
  const xml = report('tests="4" assertions="0" failures="3" skipped="0"', A, B);
  expect(judge(xml, 1, "(fail) it\n")).toEqual({
    state: "FAIL",
    counts: [1, 3, 0],
    text: "(fail) it\nbun test ended with 1",
  });
});

test("judgeTests() counts a file that did not load as failed", () => {
  const xml = report('tests="4" assertions="0" failures="0" skipped="0"', A);
  expect(judge(xml, 1, "Cannot find module\n")).toEqual({
    state: "FAIL",
    counts: [4, 1, 0],
    text: `Cannot find module\nbun test ended with 1\n${B}: did not report`,
  });
});

test("judgeTests() is not taken in by a test that ends the run with 0", () => {
  expect(judge(undefined, 0)).toEqual({
    state: "FAIL",
    counts: [0, 2, 0],
    text: `\nbun test ended with 0\n${A}: did not report\n${B}: did not report`,
  });
});

test("judgeTests() fails a run that ended badly without a failed test", () => {
  const xml = report('tests="2" assertions="0" failures="0" skipped="0"', A, B);
  expect(judge(xml, 132, "crashed")).toEqual({
    state: "FAIL",
    counts: [2, 1, 0],
    text: "crashed\nbun test ended with 132",
  });
});

test("judgeTests() fails a run without any test", () => {
  const xml = report('tests="0" assertions="0" failures="0" skipped="0"', A, B);
  expect(judge(xml, 0).state).toBe("FAIL");
});

const gates: [
  script: string,
  verdict: [state: string, passed: number, failed: number, skipped: number],
  text: string,
][] = [
  ["echo fine", ["PASS", 1, 0, 0], ""],
  ["echo out; echo err >&2; exit 3", ["FAIL", 0, 1, 0], "out\nerr\n"],
  ["echo not here; exit 69", ["SKIP", 0, 0, 1], "not here\n"],
];

for (const [script, [state, passed, failed, skipped], text] of gates) {
  test(`runGate() judges \`${script}\``, async () => {
    const command = ["sh", "-c", script];
    const gate = {
      name: "g",
      does: "",
      command,
      limitMs: 10_000,
      skipStatus: 69,
    };
    const verdict = await runGate(gate, [], 10_000, NEVER);
    const end = script.match(/exit (\d+)/)?.[1];
    expect(verdict).toEqual({
      state: state as "PASS",
      passed,
      failed,
      skipped,
      elapsedMs: verdict.elapsedMs,
      text: end ? `${text}${command.join(" ")} ended with ${end}` : text,
    });
  });
}

test("runGate() stops a gate that takes too long", async () => {
  const command = ["sh", "-c", "echo begun; sleep 60"];
  const gate = { name: "slow", does: "", command, limitMs: 300 };
  const startMs = performance.now();
  const verdict = await runGate(gate, [], 60_000, NEVER);
  expect(performance.now() - startMs).toBeLessThan(5_000);
  expect([verdict.state, verdict.text]).toEqual([
    "FAIL",
    "begun\nslow was stopped after 0.3 s",
  ]);
});
