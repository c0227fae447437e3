import { expect, test } from "bun:test";
import {
  checkCommand,
  EXEC_ALLOW_DEFAULT,
  showCommand,
} from "../../src/agent/exec.ts";
import { Fault } from "../../src/protocol/fault.ts";

const ALLOW = [
  ["migasfree", "sync"],
  ["migasfree", "info", "*"],
  ["/opt/tool", "*", "now"],
];

function outcome(
  argv: readonly string[],
  allow: readonly (readonly string[])[] = ALLOW,
): string {
  try {
    checkCommand(argv, allow);
    return "allowed";
  } catch (error) {
    return error instanceof Fault ? error.code : String(error);
  }
}

function refusal(
  argv: readonly string[],
  allow: readonly (readonly string[])[] = ALLOW,
): string {
  try {
    checkCommand(argv, allow);
    return "";
  } catch (error) {
    return Fault.from(error).message;
  }
}

const CASES = [
  [["migasfree", "sync"], "allowed"],
  [["migasfree", "sync", "--force"], "execRefused"],
  [["migasfree"], "execRefused"],
  [["migasfree", "Sync"], "execRefused"],
  [["migasfree", "sync "], "execRefused"],
  [["migasfree sync"], "execRefused"],
  [["/usr/bin/migasfree", "sync"], "execRefused"],
  [["migasfree", "info"], "allowed"],
  [["migasfree", "info", "id"], "allowed"],
  [["migasfree", "info", "; reboot", "$(reboot)"], "allowed"],
  [["migasfree", "information"], "execRefused"],
  // Only at the end does a star stand for others.
  [["/opt/tool", "*", "now"], "allowed"],
  [["/opt/tool", "x", "now"], "execRefused"],
  [["*"], "execRefused"],
  [[], "execRefused"],
] as const;

for (const [argv, expected] of CASES) {
  test(`checkCommand() answers ${JSON.stringify(argv)} with ${expected}`, () => {
    expect(outcome(argv)).toBe(expected);
  });
}

test("checkCommand() takes upstream's whole migasfree for one line of configuration", () => {
  const allow = [["migasfree", "*"]];
  const asked = [["migasfree"], ["migasfree", "install", "gimp"], ["sh"]];
  expect(asked.map((argv) => outcome(argv, allow)))
    .toEqual(["allowed", "allowed", "execRefused"]);
});

test("checkCommand() refuses everything if nothing, or a lone star, is allowed", () => {
  expect([outcome(["migasfree"], []), outcome(["migasfree"], [["*"]])])
    .toEqual(["execRefused", "execRefused"]);
});

test("EXEC_ALLOW_DEFAULT has the synchronisation and questions, and nothing that writes", () => {
  const asked = [
    ["migasfree", "sync"],
    ["migasfree", "info", "id"],
    ["migasfree", "info", "--json"],
    ["migasfree", "tags", "--get"],
    ["migasfree", "conf", "--json"],
    ["migasfree", "conf", "--server", "evil.example.org"],
    ["migasfree", "tags", "--set", "x"],
    ["migasfree", "install", "x"],
    ["migasfree", "search", "x"],
    ["migasfree", "register"],
  ];
  const allowed = asked.filter((argv) =>
    outcome(argv, EXEC_ALLOW_DEFAULT) === "allowed"
  );
  expect(allowed).toEqual(asked.slice(0, 5));
});

test("checkCommand() names what is allowed", () => {
  expect(refusal(["rm", "-rf", "/"])).toBe(
    "Cannot run rm -rf /: this device allows " +
      'migasfree sync, migasfree info …, /opt/tool "*" now',
  );
});

test("checkCommand() never says more than a fault may, and counts the rest", () => {
  const allow = Array.from({ length: 100 }, (_none, i) => [`program${i}`, "x"]);
  const message = refusal(["x".repeat(5_000), "y"], allow);
  expect(message.length).toBeLessThanOrEqual(512);
  expect(message).toStartWith(`Cannot run ${"x".repeat(199)}…: this device`);
  expect(message).toMatch(/, program19 x and 80 more$/);
});

test("showCommand() tells words apart and shows nothing that drives a terminal", () => {
  expect(showCommand(["migasfree", "a b", "", "ñ", "\u001b[2J\n", "\u202e"]))
    .toBe('migasfree "a b" "" "ñ" "\\u001b[2J\\n" "?"');
});
