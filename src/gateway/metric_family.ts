/** One value of a metric, told apart from its siblings by its labels. */
export interface Sample {
  /** What follows the metric's name: `_sum`, `_bucket`; mostly nothing. */
  readonly suffix?: string;
  readonly labels?: Readonly<Record<string, string>>;
  readonly value: number;
}

/** What a metric is called and how it is read. */
export interface MetricHead {
  /** Lower case words joined by `_`; the unit is the last, or before `_total`. */
  readonly name: string;
  readonly help: string;
  readonly type: "counter" | "gauge" | "histogram";
}

/** Version of the text that {@linkcode metricFamily} writes. */
export const METRICS_CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8";

/** Returns a metric as Prometheus reads it: its text format, version 0.0.4. */
export function metricFamily(
  head: MetricHead,
  samples: readonly Sample[],
): string {
  const { name, help, type } = head;
  const lines = samples.map(({ suffix = "", labels = {}, value }) =>
    `${name}${suffix}${labelText(labels)} ${valueText(value)}\n`
  );
  return `# HELP ${name} ${escapeHelp(help)}\n# TYPE ${name} ${type}\n` +
    lines.join("");
}

/** Returns `{name="value",…}`, or nothing without labels. */
export function labelText(labels: Readonly<Record<string, string>>): string {
  const pairs = Object.entries(labels)
    .map(([name, value]) => `${name}="${escapeLabel(value)}"`);
  return pairs.length === 0 ? "" : `{${pairs.join(",")}}`;
}

/** Returns a number as the format has it: infinity is spelled in its way. */
export function valueText(value: number): string {
  if (Number.isFinite(value)) return String(value);
  return Number.isNaN(value) ? "NaN" : value > 0 ? "+Inf" : "-Inf";
}

function escapeHelp(text: string): string {
  return text.replaceAll("\\", "\\\\").replaceAll("\n", "\\n");
}

function escapeLabel(text: string): string {
  return escapeHelp(text).replaceAll('"', '\\"');
}
