import { expect, test } from "bun:test";
import { completionTree, flagsLimit } from "../../src/cli/completion_tree.ts";
import { sampleProgram } from "./sample_program.ts";

const TREE = completionTree(sampleProgram());

test("completionTree() lists every command that is not hidden, by each name", () => {
  expect(TREE.map(({ path }) => path)).toEqual([
    "",
    "/ssh",
    "/devices",
    "/connect",
    "/run",
    "/start",
    "/pki",
    "/pki/init",
    "/pki/revoke",
    "/pki/help",
    "/help",
  ]);
});

test("completionTree() tells what a command's flags and operands take", () => {
  const anything = { kind: "anything" as const, choices: [] };
  expect(TREE.find(({ path }) => path === "/ssh")).toEqual({
    path: "/ssh",
    commands: [],
    options: [
      {
        flags: ["--gateway"],
        description: "wss://host/tunnel",
        value: anything,
      },
      {
        flags: ["--ca"],
        description: "it's a file: PEM",
        value: { kind: "file", choices: [] },
      },
      {
        flags: ["-q", "--quiet"],
        description: "say nothing",
        value: undefined,
      },
      {
        flags: ["-h", "--help"],
        description: "display help for command",
        value: undefined,
      },
    ],
    operands: [{ kind: "device", choices: [] }, anything],
    isVariadic: true,
  });
});

test("flagsLimit() ends a command's flags where another program's begin", () => {
  const limits = TREE.map((node) => [node.path, flagsLimit(node)] as const);
  expect(Object.fromEntries(limits)).toMatchObject({
    "/ssh": 1,
    "/connect": 3,
    "/devices": 1,
  });
});
