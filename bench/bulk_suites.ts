import { download, upload } from "./client.ts";
import { median } from "./statistics.ts";
import {
  type BenchContext,
  type Figure,
  measured,
  PRODUCT,
  ratioOf,
  type SuiteResult,
} from "./suite.ts";

const MEGABYTE = 1_000_000;
/** Long enough that the first moments do not count. */
const BULK_BYTES = 512 * MEGABYTE;
/** Programs that are slow are not asked to move as much as others. */
const V1_BYTES = 192 * MEGABYTE;
const PYTHON_BYTES = 24 * MEGABYTE;
const TUNNEL_COUNT = 4;

const V1 = "gateway, protocol 1";

/** One tunnel, each way, in MB/s. */
export async function bulk(context: BenchContext): Promise<SuiteResult> {
  const figures = await rounds("bulk", context, {
    down: (port) => download(port, BULK_BYTES).then(rate(BULK_BYTES)),
    up: (port) => upload(port, BULK_BYTES).then(rate(BULK_BYTES)),
  });
  const bars = ["down", "up"].flatMap((way) => {
    const against = (path: string) =>
      ratioOf(figures, [way, PRODUCT], [way, path]);
    return [
      {
        suite: "bulk",
        name: `${way} against HAProxy`,
        value: against("haproxy"),
        atLeast: 1,
      },
      {
        suite: "bulk",
        name: `${way} against OpenSSH`,
        value: against("openssh"),
        atLeast: 1.5,
      },
    ];
  });
  return { figures, bars: measured(bars) };
}

/** Four tunnels at once, their sum in MB/s. */
export async function bulkFour(context: BenchContext): Promise<SuiteResult> {
  const four = async (port: number) => {
    const bytes = BULK_BYTES / TUNNEL_COUNT;
    const startMs = performance.now();
    await Promise.all(
      Array.from({ length: TUNNEL_COUNT }, () => download(port, bytes)),
    );
    return rate(BULK_BYTES)((performance.now() - startMs) / 1_000);
  };
  const one = (port: number) =>
    download(port, BULK_BYTES).then(rate(BULK_BYTES));
  const figures = await rounds("bulk-4", context, { one, four });
  const bars = [{
    suite: "bulk-4",
    name: "four tunnels against one",
    value: ratioOf(figures, ["four", PRODUCT], ["one", PRODUCT]),
    atLeast: 0.9,
  }];
  return { figures, bars: measured(bars) };
}

/** Protocol 1 at both ends, in MB/s, against programs as upstream's are. */
export async function protocol1(context: BenchContext): Promise<SuiteResult> {
  const bytes = (path: string) =>
    path.startsWith("python") ? PYTHON_BYTES : V1_BYTES;
  const figures = await rounds("protocol-1", context, {
    down: (port, path) => download(port, bytes(path)).then(rate(bytes(path))),
    up: (port, path) => upload(port, bytes(path)).then(rate(bytes(path))),
  });
  const bars = ["down", "up"].map((way) => ({
    suite: "protocol-1",
    name: `${way} against Python`,
    value: ratioOf(figures, [way, V1], [way, "python, protocol 1"]),
    atLeast: 8,
  }));
  return { figures, bars: measured(bars) };
}

/** Measures each path in turn, again and again, so that noise hits all. */
async function rounds(
  suite: string,
  { paths, roundCount, say }: BenchContext,
  measures: Readonly<
    Record<string, (port: number, path: string) => Promise<number>>
  >,
): Promise<Figure[]> {
  const values = new Map<string, number[]>();
  for (let round = 0; round < roundCount; round++) {
    for (const [path, { port }] of paths) {
      for (const [figure, measure] of Object.entries(measures)) {
        const value = await measure(port, path);
        const key = `${path}\n${figure}`;
        values.set(key, [...values.get(key) ?? [], value]);
        say(
          `${suite} ${round + 1}: ${path} ${figure} ${value.toFixed(1)} MB/s`,
        );
      }
    }
  }
  return [...values].map(([key, all]) => {
    const [path = "", figure = ""] = key.split("\n");
    return {
      suite,
      figure,
      path,
      value: median(all),
      unit: "MB/s",
      rounds: all,
    };
  });
}

function rate(bytes: number): (seconds: number) => number {
  return (seconds) => bytes / MEGABYTE / seconds;
}
