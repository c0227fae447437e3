import type { Figure } from "./suite.ts";
import { type BarChart, barChartSvg } from "./svg.ts";

interface Plot {
  readonly title: string;
  /** Paths that would make all others look alike. */
  readonly without: readonly string[];
  /** Figures by the end of their name; all of them without it. */
  readonly only?: string;
}

/** Suite => its picture in `docs/plots`. */
const PLOTS: Readonly<Record<string, Plot>> = {
  bulk: { title: "One tunnel", without: ["direct"] },
  "bulk-4": { title: "One tunnel, four tunnels", without: ["direct"] },
  echo: { title: "Round trip of 64 bytes", without: [] },
  mixed: { title: "Round trip beside a bulk transfer", without: [] },
  open: { title: "Accept to the service's first byte", without: ["direct"] },
  wan: { title: "A long and lossy line of 100 Mbit/s", without: [] },
  "protocol-1": { title: "Protocol 1", without: [] },
  fleet: {
    title: "A gateway's memory for each idle agent",
    without: [],
    only: " KB/agent",
  },
};

/** Draws a suite's figures; undefined: it has no picture. */
export function drawSuite(
  suite: string,
  all: readonly Figure[],
): string | undefined {
  const plot = PLOTS[suite];
  const only = plot?.only ?? "";
  const figures = all.filter(({ figure, path }) =>
    figure.endsWith(only) && !plot?.without.includes(path)
  );
  const [first] = figures;
  if (!plot || !first) return undefined;
  const series = [...new Set(figures.map(({ path }) => path))];
  const labels = [...new Set(figures.map(({ figure }) => figure))];
  const chart: BarChart = {
    title: plot.title,
    unit: first.unit,
    series,
    groups: labels.map((label) => ({
      label: only === "" ? label : label.slice(0, -only.length),
      values: series.map((path) =>
        figures.find((it) => it.figure === label && it.path === path)?.value ??
          NaN
      ),
    })),
  };
  return barChartSvg(chart);
}
