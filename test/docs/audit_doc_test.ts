import { expect, test } from "bun:test";
import type { Node } from "typescript/unstable/ast";
import {
  isInterfaceDeclaration,
  isPropertySignatureDeclaration,
} from "typescript/unstable/ast/is";
import { parseSources, walk } from "../../scripts/parse_sources.ts";
import { fencesOf, sectionOf } from "./markdown.ts";

const ROOT = new URL("../../", import.meta.url);
const PATH = "src/policy/audit.ts";

/** One kind of record, as its interface says. */
interface RecordKind {
  readonly events: readonly string[];
  readonly required: readonly string[];
  readonly optional: readonly string[];
}

const kinds = await recordKinds();
const examples = await examplesTold();

test("OPERATIONS.md has an example of every audit record, and no other", () => {
  const known = kinds.flatMap(({ events }) => events);
  expect(known.length).toBeGreaterThan(5);
  expect([...new Set(examples.map(({ event }) => event))].sort())
    .toEqual(known.sort());
});

test("examples of audit records have the fields of their records", () => {
  for (const example of examples) {
    const kind = kinds.find(({ events }) =>
      events.includes(String(example["event"]))
    );
    const keys = Object.keys(example).filter((key) => key !== "time");
    const known = [...kind?.required ?? [], ...kind?.optional ?? []];
    expect([example, keys.filter((key) => !known.includes(key))])
      .toEqual([example, []]);
    expect([example, kind?.required.filter((key) => !keys.includes(key))])
      .toEqual([example, []]);
  }
});

async function examplesTold(): Promise<Record<string, unknown>[]> {
  const text = await Bun.file(new URL("docs/OPERATIONS.md", ROOT)).text();
  return fencesOf(sectionOf(text, "Audit").text)
    .filter(({ language }) => language === "json")
    .map(({ text }) => JSON.parse(text));
}

async function recordKinds(): Promise<RecordKind[]> {
  const text = await Bun.file(new URL(PATH, ROOT)).text();
  const source = (await parseSources(new Map([[PATH, text]]))).get(PATH);
  const fields = new Map<string, RecordKind>();
  const parents = new Map<string, string[]>();
  walk(source as Node, (node) => {
    if (!isInterfaceDeclaration(node)) return;
    const name = node.name.text;
    const extended = (node.heritageClauses ?? [])
      .flatMap(({ types }) => types.map((type) => wordOf(type, text)));
    parents.set(name, extended);
    fields.set(name, kindOf(node.members, text));
  });
  return [...fields].filter(([, { events }]) => events.length > 0)
    .map(([name, kind]) => {
      const all = (parents.get(name) ?? [])
        .flatMap((parent) => fields.get(parent) ?? []).concat(kind);
      return {
        events: kind.events,
        required: all.flatMap(({ required }) => required),
        optional: all.flatMap(({ optional }) => optional),
      };
    });
}

function kindOf(members: Iterable<Node>, text: string): RecordKind {
  const events: string[] = [];
  const required: string[] = [];
  const optional: string[] = [];
  for (const member of members) {
    if (!isPropertySignatureDeclaration(member)) continue;
    const declared = wordOf(member, text);
    const [, name = "", mark, type = ""] =
      /(\w+)(\??):\s*([^;]*);?$/.exec(declared.replace(/^.*\*\//s, "")) ?? [];
    (mark === "?" ? optional : required).push(name);
    if (name !== "event") continue;
    events.push(...[...type.matchAll(/"([^"]+)"/g)].map(([, it = ""]) => it));
  }
  return { events, required, optional };
}

function wordOf(node: Node, text: string): string {
  return text.slice(node.pos, node.end).trim();
}
