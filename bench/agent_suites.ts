import { existsSync } from "node:fs";
import { BINARY, Site } from "../test/support/site.ts";
import { startCountingRelay } from "./counting_relay.ts";
import { processFigures } from "./process_figures.ts";
import { median, quantile } from "./statistics.ts";
import {
  type BenchContext,
  type Figure,
  PRODUCT,
  type SuiteResult,
} from "./suite.ts";

/** An agent is idle once its start is over. */
const SETTLE_MS = 20_000;
const WATCH_MS = 60_000;
const DAY_MS = 86_400_000;
const MEGABYTE = 1_000_000;
/** IPv4 and TCP with timestamps, of a segment and of the ACK that answers it. */
const HEADER_BYTES = 2 * 52;
const STARTS_PER_ROUND = 5;

/** One agent that nobody wants anything of, for a minute. */
export async function idleAgent(
  { say, stack }: BenchContext,
): Promise<SuiteResult> {
  const site = stack.use(await Site.create());
  const gateway = await site.gateway();
  using relay = await startCountingRelay(gateway.port);
  const url = `wss://localhost:${relay.port}/tunnel`;
  const { child } = await site.agent({ id: 7, url, services: { ssh: 22 } });
  await Bun.sleep(SETTLE_MS);
  const [bytes, pieces] = [relay.byteCount(), relay.pieceCount()];
  const before = await processFigures(child.pid);
  say("idle-agent: a minute of nothing");
  await Bun.sleep(WATCH_MS);
  const after = await processFigures(child.pid);
  const wire = relay.byteCount() - bytes +
    (relay.pieceCount() - pieces) * HEADER_BYTES;
  const seconds = WATCH_MS / 1_000;
  const values = {
    rss: [after.residentBytes / MEGABYTE, "MB"],
    anonymous: [after.anonymousBytes / MEGABYTE, "MB"],
    cpu: [(after.cpuMs - before.cpuMs) / WATCH_MS * 100, "%"],
    "wake-ups": [(after.wakeCount - before.wakeCount) / seconds, "1/s"],
    "wire": [wire * DAY_MS / WATCH_MS / MEGABYTE, "MB/day"],
  } as const;
  const suite = "idle-agent";
  const figures = Object.entries(values).map(([figure, [value, unit]]) => (
    { suite, figure, path: PRODUCT, value, unit }
  ));
  const bar = (name: keyof typeof values, atMost: number) => {
    const [value, unit] = values[name];
    return { suite, name, value, atMost, unit };
  };
  return {
    figures,
    bars: [
      bar("rss", 42),
      bar("anonymous", 8),
      bar("cpu", 0.1),
      bar("wire", 1.5),
    ],
  };
}

/** From the process's start to `link.open` in its log, in milliseconds. */
export async function start(
  { roundCount, say, stack }: BenchContext,
): Promise<SuiteResult> {
  const site = stack.use(await Site.create());
  const { url } = await site.gateway();
  const identity = await site.identity("computer", "uuid-7_1");
  const tookMs: number[] = [];
  for (let round = 0; round < roundCount * STARTS_PER_ROUND; round++) {
    const startMs = performance.now();
    const { child } = await site.agent({ id: 7, url, services: {}, identity });
    tookMs.push(performance.now() - startMs);
    await child[Symbol.asyncDispose]();
    say(`start: ${tookMs.at(-1)?.toFixed(0)} ms`);
  }
  const p50 = median(tookMs);
  const suite = "start";
  const common = { suite, path: PRODUCT, unit: "ms" };
  const figures: Figure[] = [
    { ...common, figure: "p50", value: p50 },
    { ...common, figure: "p90", value: quantile(tookMs, 0.9) },
  ];
  const bars = [{ suite, name: "p50", value: p50, atMost: 150, unit: "ms" }];
  return { figures, bars };
}

/** The binary, and what is downloaded of it, in MB. */
export async function size({ say }: BenchContext): Promise<SuiteResult> {
  if (!existsSync(BINARY)) {
    say("size: left out: run ./scripts/build first");
    return { figures: [], bars: [] };
  }
  const suite = "size";
  const binary = Bun.file(BINARY).size / MEGABYTE;
  const common = { suite, path: PRODUCT, unit: "MB" };
  const figures: Figure[] = [{ ...common, figure: "binary", value: binary }];
  const bar = (name: string, value: number, atMost: number) => (
    { suite, name, value, atMost, unit: "MB" }
  );
  const bars = [bar("binary", binary, 115)];
  if (Bun.which("xz")) {
    const xz = await compressedBytes(BINARY) / MEGABYTE;
    figures.push({ ...common, figure: "xz -9", value: xz });
    bars.push(bar("xz -9", xz, 40));
  } else say("size: xz is not installed");
  return { figures, bars };
}

async function compressedBytes(path: string): Promise<number> {
  const child = Bun.spawn(["xz", "-9", "-c", path], { stdout: "pipe" });
  let bytes = 0;
  for await (const chunk of child.stdout) bytes += chunk.length;
  if (await child.exited !== 0) throw new Error("xz failed");
  return bytes;
}
