import { expect, test } from "bun:test";
import { metricFamily } from "../../src/gateway/metric_family.ts";

test("metricFamily() writes help, type and one line a sample", () => {
  const text = metricFamily(
    { name: "a_total", help: "All a", type: "counter" },
    [
      { value: 0 },
      { labels: { code: "ok", kind: "b" }, value: 1.5 },
      { suffix: "_sum", value: 2 ** 53 },
    ],
  );
  expect(text).toBe(`# HELP a_total All a
# TYPE a_total counter
a_total 0
a_total{code="ok",kind="b"} 1.5
a_total_sum 9007199254740992
`);
});

test("metricFamily() escapes what would break a line or a label", () => {
  const text = metricFamily({ name: "a", help: 'x\\y\n"z"', type: "gauge" }, [
    { labels: { name: 'a\\b"c\nd é' }, value: 1 },
  ]);
  expect(text).toBe(`# HELP a x\\\\y\\n"z"
# TYPE a gauge
a{name="a\\\\b\\"c\\nd é"} 1
`);
});

test("metricFamily() spells what is no finite number as the format does", () => {
  const text = metricFamily({ name: "a", help: "b", type: "gauge" }, [
    { value: Infinity },
    { value: -Infinity },
    { value: NaN },
    { value: 1e300 },
  ]);
  expect(text.split("\n").slice(2)).toEqual([
    ...["a +Inf", "a -Inf", "a NaN", "a 1e+300", ""],
  ]);
});
