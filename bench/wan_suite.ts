import { median } from "./statistics.ts";
import {
  type BenchContext,
  measured,
  PRODUCT,
  ratioOf,
  type SuiteResult,
} from "./suite.ts";
import { wanMissing, WanSite } from "./wan_site.ts";

const ROUND_TRIPS_MS = [20, 50, 120, 250];
const LOSS_PERCENTS = [0, 0.1, 1];
/** 100 Mbit/s: a good line of a branch office. */
const BYTES_PER_S = 12_500_000;
const QUEUE_MIN_BYTES = 256 * 1024;
const WARM_MS = 4_000;
const MEASURE_MS = 4_000;
const MEGABYTE = 1_000_000;

/** One tunnel over a long line, in MB/s, once it has got going. */
export async function wan(
  { roundCount, say, stack }: BenchContext,
): Promise<SuiteResult> {
  const missing = wanMissing();
  if (missing !== undefined) {
    say(`wan: left out: ${missing}`);
    return { figures: [], bars: [] };
  }
  const site = stack.use(await WanSite.create(PRODUCT));
  const values = new Map<string, number[]>();
  for (let round = 0; round < roundCount; round++) {
    for (const { cell, roundTripMs, lossShare } of cells()) {
      await site.shape({
        delayMs: roundTripMs / 2,
        lossShare,
        bytesPerS: BYTES_PER_S,
        // As much as fits on the line: what routers are built with.
        queueMaxBytes: Math.max(
          QUEUE_MIN_BYTES,
          BYTES_PER_S * roundTripMs / 1_000,
        ),
      });
      for (const path of Object.keys(site.targets)) {
        const rate = await site.measure(path, WARM_MS, MEASURE_MS) / MEGABYTE;
        const key = `${cell}\n${path}`;
        values.set(key, [...values.get(key) ?? [], rate]);
        say(`wan ${round + 1}: ${cell} ${path} ${rate.toFixed(2)} MB/s`);
      }
    }
  }
  const figures = [...values].map(([key, all]) => {
    const [figure = "", path = ""] = key.split("\n");
    return {
      suite: "wan",
      figure,
      path,
      value: median(all),
      unit: "MB/s",
      rounds: all,
    };
  });
  const bars = cells().map(({ cell }) => ({
    suite: "wan",
    name: `${cell} against direct`,
    value: ratioOf(figures, [cell, PRODUCT], [cell, "direct"]),
    atLeast: 0.95,
  }));
  return { figures, bars: measured(bars) };
}

function cells(): {
  readonly cell: string;
  readonly roundTripMs: number;
  readonly lossShare: number;
}[] {
  return ROUND_TRIPS_MS.flatMap((roundTripMs) =>
    LOSS_PERCENTS.map((percent) => ({
      cell: `${roundTripMs} ms ${percent} %`,
      roundTripMs,
      lossShare: percent / 100,
    }))
  );
}
