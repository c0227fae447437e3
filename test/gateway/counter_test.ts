import { expect, test } from "bun:test";
import { Counter } from "../../src/gateway/counter.ts";

function series(counter: { text(): string }): string[] {
  return counter.text().trim().split("\n").slice(2);
}

test("Counter has each combination of label values from the start, at 0", () => {
  const counter = new Counter("n", "Help", {
    kind: ["a", "b"],
    code: ["ok", "bad"],
  });
  expect(counter.text()).toBe(`# HELP n Help
# TYPE n counter
n{kind="a",code="ok"} 0
n{kind="a",code="bad"} 0
n{kind="b",code="ok"} 0
n{kind="b",code="bad"} 0
`);
  expect(series(new Counter("m", "Help", {}))).toEqual(["m 0"]);
});

test("add() adds up, whatever the order of the labels", () => {
  const counter = new Counter("n", "Help", { kind: ["a"], code: ["ok"] });
  counter.add({ kind: "a", code: "ok" });
  counter.add({ code: "ok", kind: "a" }, 2.5);
  counter.add({ kind: "a", code: "ok" }, 0);
  expect(series(counter)).toEqual(['n{kind="a",code="ok"} 3.5']);
});

test("add() counts every value that was not declared as other", () => {
  const counter = new Counter("n", "Help", { service: ["ssh"] });
  for (let at = 0; at < 1_000; at++) counter.add({ service: `s${at}` });
  counter.add({ service: "other" });
  counter.add({ service: "ssh" });
  expect(series(counter)).toEqual([
    'n{service="ssh"} 1',
    'n{service="other"} 1001',
  ]);
});

test("add() throws rather than go down or become no number", () => {
  const counter = new Counter("n", "Help", {});
  for (const amount of [-1, NaN, -Infinity]) {
    expect(() => counter.add({}, amount)).toThrow(RangeError);
  }
  expect(series(counter)).toEqual(["n 0"]);
});
