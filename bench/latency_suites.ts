import { residentBytes } from "../test/support/process_memory.ts";
import { echoes, flood, greet, openTime } from "./client.ts";
import { median, quantile } from "./statistics.ts";
import {
  type Bar,
  type BenchContext,
  type Figure,
  measured,
  PRODUCT,
  ratioOf,
  type SuiteResult,
  valueOf,
} from "./suite.ts";

const ECHO_COUNT = 2_000;
/** Beside bulk each takes milliseconds, by some paths. */
const BUSY_ECHO_COUNT = 500;
const OPEN_COUNT = 60;
const CHURN_COUNT = 1_000;
const CHURN_AT_ONCE = 50;
const CHURN_ROUND_COUNT = 6;
const CHURN_REST_MS = 3_000;

/** Round trips of 64 bytes, in microseconds. */
export async function echo(context: BenchContext): Promise<SuiteResult> {
  const figures = await quantiles("echo", context, async (port) => {
    await echoes(port, ECHO_COUNT / 10);
    return await echoes(port, ECHO_COUNT);
  });
  const against = (figure: string, path: string) =>
    ratioOf(figures, [figure, PRODUCT], [figure, path]);
  const bars = [
    {
      suite: "echo",
      name: "p50 against HAProxy",
      value: against("p50", "haproxy"),
      atMost: 1,
    },
    {
      suite: "echo",
      name: "p50 against OpenSSH",
      value: against("p50", "openssh"),
      atMost: 1,
    },
    {
      suite: "echo",
      name: "p99 against HAProxy",
      value: against("p99", "haproxy"),
      atMost: 2,
    },
  ];
  return { figures, bars: measured(bars) };
}

/** The same while another connection of the same path moves bulk. */
export async function mixed(context: BenchContext): Promise<SuiteResult> {
  const idle = await quantiles(
    "mixed",
    context,
    (port) => echoes(port, ECHO_COUNT),
  );
  const busy = await quantiles("mixed", context, async (port) => {
    const stop = await flood(port);
    try {
      return await echoes(port, BUSY_ECHO_COUNT);
    } finally {
      stop();
    }
  });
  const figures = [
    ...idle.map((it) => ({ ...it, figure: `idle ${it.figure}` })),
    ...busy.map((it) => ({ ...it, figure: `busy ${it.figure}` })),
  ];
  const busy99 = ["busy p99", PRODUCT] as const;
  const bars = [
    {
      suite: "mixed",
      name: "p99 under bulk against idle",
      value: ratioOf(figures, busy99, ["idle p99", PRODUCT]),
      atMost: 3,
    },
    {
      suite: "mixed",
      name: "p99 under bulk against OpenSSH",
      value: ratioOf(figures, busy99, ["busy p99", "openssh"]),
      atMost: 1,
    },
  ];
  return { figures, bars: measured(bars) };
}

/** From the local connection to the service's first byte, in milliseconds. */
export async function open(context: BenchContext): Promise<SuiteResult> {
  const figures = await quantiles("open", context, async (port) => {
    const tookUs: number[] = [];
    for (let i = 0; i < OPEN_COUNT; i++) {
      tookUs.push(await openTime(port) * 1_000);
    }
    return tookUs;
  });
  const ms = (figure: string) => valueOf(figures, figure, PRODUCT) / 1_000;
  const bars = [
    { suite: "open", name: "p50", value: ms("p50"), atMost: 10, unit: "ms" },
    { suite: "open", name: "p99", value: ms("p99"), atMost: 40, unit: "ms" },
  ];
  return { figures, bars: measured(bars) };
}

/**
 * Thousands of short tunnels, fifty at a time, and memory after each, in MiB.
 * Garbage comes and goes in waves of some thousand tunnels: what grows is seen
 * between the medians of the first three and of the last three.
 */
export async function churn(context: BenchContext): Promise<SuiteResult> {
  const path = context.paths.get(PRODUCT);
  if (!path) return { figures: [], bars: [] };
  // Once to warm it up: what stays then is what is needed.
  await many(path.port);
  const startMs = performance.now();
  let failureCount = await many(path.port);
  const perS = CHURN_COUNT / (performance.now() - startMs) * 1_000;
  const seen: Record<string, number>[] = [];
  for (let round = 0; round < CHURN_ROUND_COUNT; round++) {
    failureCount += await many(path.port);
    await Bun.sleep(CHURN_REST_MS);
    seen.push(await memory(path.pids));
  }
  const half = CHURN_ROUND_COUNT / 2;
  const of = `of ${(CHURN_ROUND_COUNT + 1) * CHURN_COUNT}`;
  const figures = [
    churnFigure("tunnels", perS, "1/s"),
    churnFigure("failures", failureCount, of),
  ];
  const failures = { value: failureCount, atMost: 0, unit: of };
  const bars: Bar[] = [{ suite: "churn", name: "failures", ...failures }];
  for (const role of Object.keys(path.pids)) {
    const mib = seen.map((all) => all[role] ?? NaN);
    const late = median(mib.slice(half));
    figures.push(churnFigure(`${role} after`, late, "MiB"));
    const value = late / median(mib.slice(0, half));
    bars.push({ suite: "churn", name: `${role}: growth`, value, atMost: 1.15 });
  }
  return { figures, bars: measured(bars) };
}

function churnFigure(figure: string, value: number, unit: string): Figure {
  return { suite: "churn", figure, path: PRODUCT, value, unit };
}

/** Returns how many of them failed. */
async function many(port: number): Promise<number> {
  let left = CHURN_COUNT;
  let failureCount = 0;
  const worker = async () => {
    while (left-- > 0) {
      try {
        await greet(port);
      } catch {
        // How is of no matter here: none may.
        failureCount++;
      }
    }
  };
  await Promise.all(Array.from({ length: CHURN_AT_ONCE }, worker));
  return failureCount;
}

async function memory(
  pids: Readonly<Record<string, number>>,
): Promise<Record<string, number>> {
  const found: Record<string, number> = {};
  for (const [role, pid] of Object.entries(pids)) {
    found[role] = await residentBytes(pid) / 1024 ** 2;
  }
  return found;
}

async function quantiles(
  suite: string,
  { paths, roundCount, say }: BenchContext,
  measure: (port: number) => Promise<number[]>,
): Promise<Figure[]> {
  const values = new Map<string, number[]>();
  for (let round = 0; round < roundCount; round++) {
    for (const [path, { port }] of paths) {
      const tookUs = await measure(port);
      const found = { p50: quantile(tookUs, 0.5), p99: quantile(tookUs, 0.99) };
      for (const [figure, value] of Object.entries(found)) {
        const key = `${path}\n${figure}`;
        values.set(key, [...values.get(key) ?? [], value]);
      }
      const { p50, p99 } = found;
      say(
        `${suite} ${round + 1}: ${path} ${p50.toFixed(0)} / ${
          p99.toFixed(0)
        } us`,
      );
    }
  }
  return [...values].map(([key, all]) => {
    const [path = "", figure = ""] = key.split("\n");
    return { suite, figure, path, value: median(all), unit: "us", rounds: all };
  });
}
