import { expect, test } from "bun:test";
import { drawSuite } from "../../bench/plots.ts";
import { barChartSvg, niceCeiling } from "../../bench/svg.ts";

const CHART = {
  title: "Here & <there>",
  unit: "MB/s",
  series: ["one", "two"],
  groups: [
    { label: "down", values: [50, 100] },
    { label: "up", values: [NaN, 25] },
  ],
};

/** Heights of the bars, in order; the background is not one. */
function barHeights(svg: string): number[] {
  return [
    ...svg.matchAll(
      /<rect x="[\d.]+" y="[\d.]+" width="[\d.]+" height="([\d.]+)" fill="#[0-9a-f]+"\/>/g,
    ),
  ]
    .map(([, height]) => Number(height)).filter((height) => height !== 10);
}

test("barChartSvg() draws bars as high as their values are", () => {
  const [half, whole, quarter, ...rest] = barHeights(barChartSvg(CHART));
  expect(rest).toEqual([]);
  expect([half, quarter]).toEqual([(whole ?? NaN) / 2, (whole ?? NaN) / 4]);
});

test("barChartSvg() writes a document that an XML parser takes", () => {
  const svg = barChartSvg(CHART);
  expect(svg).toContain(">Here &amp; &lt;there>, MB/s</text>");
  const opened = [...svg.matchAll(/<(?!\/)[^>]*[^/]>/g)].length;
  expect([...svg.matchAll(/<\//g)].length).toBe(opened);
});

test("barChartSvg() has numbers alone, also without values", () => {
  const groups = [{ label: "none", values: [NaN, 0] }];
  expect(barChartSvg({ ...CHART, groups })).not.toMatch(/NaN|Infinity/);
});

test("niceCeiling() is round and not below", () => {
  expect([0, 0.03, 1, 12, 24, 26, 70, 1_001].map(niceCeiling))
    .toEqual([1, 0.05, 1, 20, 25, 50, 100, 2_000]);
});

test("drawSuite() leaves out what would make all else look alike", () => {
  const figure = (path: string, value: number) => (
    { suite: "bulk", figure: "down", path, value, unit: "MB/s" }
  );
  const svg = drawSuite("bulk", [figure("direct", 9_000), figure("ours", 80)]);
  expect(barHeights(svg ?? "").length).toBe(1);
  expect(svg).not.toContain("direct");
  expect(drawSuite("churn", [figure("ours", 80)])).toBeUndefined();
});
