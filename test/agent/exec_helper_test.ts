import { expect, test } from "bun:test";
import { isForRoot, rulesOfRoot } from "../../src/agent/exec_helper.ts";

const rules = {
  allow: [["migasfree", "sync"], ["migasfree", "info", "*"], ["uptime"]],
  timeoutMs: 1_000,
  concurrentMax: 4,
};

test("rulesOfRoot() leaves out what leaves words open", () => {
  expect(rulesOfRoot(rules)).toEqual({
    allow: [["migasfree", "sync"], ["uptime"]],
    timeoutMs: 1_000,
    concurrentMax: 1,
  });
});

test("isForRoot() is true for an entry word by word, and nothing else", () => {
  const asked: [string[], boolean][] = [
    [["migasfree", "sync"], true],
    [["uptime"], true],
    [["migasfree"], false],
    [["migasfree", "sync", "--force"], false],
    [["migasfree", "info", "id"], false],
    [["migasfree", "info", "*"], false],
    [["Migasfree", "sync"], false],
    [[], false],
  ];
  for (const [argv, isTrue] of asked) {
    expect([argv, isForRoot(argv, rules)]).toEqual([argv, isTrue]);
  }
});
