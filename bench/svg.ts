/** Bars in groups, each of a colour by its series. */
export interface BarChart {
  readonly title: string;
  readonly unit: string;
  readonly series: readonly string[];
  readonly groups: readonly {
    readonly label: string;
    /** By place in `series`; NaN where there is none. */
    readonly values: readonly number[];
  }[];
}

const WIDTH = 760;
const HEIGHT = 320;
const LEFT = 60;
const RIGHT = 12;
const TOP = 64;
const BOTTOM = 40;
const TICK_COUNT = 4;
const BAR_SHARE = 0.8;
/** Told apart by those who see no red or green too. */
const COLOURS = ["#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9"];

/** Draws a chart: an SVG document that needs no font and no style sheet. */
export function barChartSvg(chart: BarChart): string {
  const { groups, series, title, unit } = chart;
  const values = groups.flatMap(({ values }) => values).filter(Number.isFinite);
  const top = niceCeiling(Math.max(...values, 0));
  const y = (value: number) =>
    round(HEIGHT - BOTTOM - value / top * (HEIGHT - TOP - BOTTOM));
  const groupWidth = (WIDTH - LEFT - RIGHT) / groups.length;
  const lines = [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${HEIGHT}" font-family="sans-serif" font-size="11">`,
    `<rect width="${WIDTH}" height="${HEIGHT}" fill="#ffffff"/>`,
    text(LEFT, 22, `${title}, ${unit}`, `font-size="15"`),
    ...legend(series),
    ...ticks(top, y),
  ];
  for (const [at, { label, values }] of groups.entries()) {
    const left = LEFT + at * groupWidth;
    const middle = round(left + groupWidth / 2);
    lines.push(text(middle, HEIGHT - 18, label, `text-anchor="middle"`));
    lines.push(...bars(values, left, groupWidth, y));
  }
  return `${lines.join("\n")}\n</svg>\n`;
}

/** The next of 1, 2, 2.5, 5 and their tens above `value`. */
export function niceCeiling(value: number): number {
  if (!(value > 0)) return 1;
  const ten = 10 ** Math.floor(Math.log10(value));
  const step = [1, 2, 2.5, 5, 10].find((step) => step * ten >= value) ?? 10;
  return step * ten;
}

function bars(
  values: readonly number[],
  left: number,
  groupWidth: number,
  y: (value: number) => number,
): string[] {
  const width = groupWidth * BAR_SHARE / values.length;
  const from = left + groupWidth * (1 - BAR_SHARE) / 2;
  return values.flatMap((value, at) => {
    if (!Number.isFinite(value)) return [];
    const x = round(from + at * width);
    const height = round(y(0) - y(value));
    const colour = COLOURS[at % COLOURS.length];
    const middle = round(x + width / 2);
    return [
      `<rect x="${x}" y="${y(value)}" width="${
        round(width - 1)
      }" height="${height}" fill="${colour}"/>`,
      text(middle, y(value) - 4, short(value), `text-anchor="middle"`),
    ];
  });
}

function legend(series: readonly string[]): string[] {
  let x = LEFT;
  return series.flatMap((name, at) => {
    const square = `<rect x="${x}" y="34" width="10" height="10" fill="${
      COLOURS[at % COLOURS.length]
    }"/>`;
    const label = text(x + 15, 43, name, "");
    x += 40 + name.length * 6;
    return [square, label];
  });
}

function ticks(top: number, y: (value: number) => number): string[] {
  return Array.from({ length: TICK_COUNT + 1 }, (_, at) => {
    const value = top * at / TICK_COUNT;
    const line = `<path d="M${LEFT} ${y(value)}H${
      WIDTH - RIGHT
    }" stroke="#dddddd"/>`;
    const label = text(
      LEFT - 6,
      y(value) + 4,
      short(value),
      `text-anchor="end"`,
    );
    return `${line}\n${label}`;
  });
}

function text(x: number, y: number, content: string, attributes: string) {
  const extra = attributes === "" ? "" : ` ${attributes}`;
  return `<text x="${round(x)}" y="${round(y)}"${extra}>${
    escapeXml(content)
  }</text>`;
}

function escapeXml(content: string): string {
  return content.replaceAll("&", "&amp;").replaceAll("<", "&lt;");
}

/** Three digits: more than that, a bench does not know. */
function short(value: number): string {
  return String(Number(value.toPrecision(3)));
}

function round(value: number): number {
  return Math.round(value * 10) / 10;
}
