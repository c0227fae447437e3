import { expect, test } from "bun:test";
import { Histogram } from "../../src/gateway/histogram.ts";

test("Histogram counts in each bucket all that is at most its bound", () => {
  const histogram = new Histogram("wait_seconds", "Waits", [0.1, 1]);
  for (const value of [0, 0.1, 0.5, 1, 1.5]) histogram.observe(value);
  expect(histogram.text()).toBe(`# HELP wait_seconds Waits
# TYPE wait_seconds histogram
wait_seconds_bucket{le="0.1"} 2
wait_seconds_bucket{le="1"} 4
wait_seconds_bucket{le="+Inf"} 5
wait_seconds_sum 3.1
wait_seconds_count 5
`);
});

test("Histogram is there before anything was observed", () => {
  expect(new Histogram("a", "b", [1]).text()).toBe(`# HELP a b
# TYPE a histogram
a_bucket{le="1"} 0
a_bucket{le="+Inf"} 0
a_sum 0
a_count 0
`);
});
