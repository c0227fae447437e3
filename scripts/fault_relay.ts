/**
 * Relays TCP connections and does to them what networks and proxies do: for
 * trying by hand what the tests try by themselves.
 */

import { setTimeout as sleep } from "node:timers/promises";
import {
  parseSocketAddress,
  printSocketAddress,
} from "../src/protocol/socket_address.ts";
import { FaultRelay } from "../test/support/fault_relay.ts";
import {
  beginFault,
  FAULT_KINDS,
  type FaultKind,
  planFaults,
} from "../test/support/fault_script.ts";
import type { Flow, Weather, Welcome } from "../test/support/fault_weather.ts";
import { SeededRandom } from "../test/support/seeded_random.ts";
import { EXIT_USAGE, parseFlags } from "./parse_flags.ts";

const HELP = `Usage: scripts/fault_relay --target HOST:PORT [flags]

Relays TCP connections, and does to them what networks do. Prints
"listening HOST:PORT" first, then one line for each fault.

  --listen HOST:PORT   default 127.0.0.1:0, a free port

Weather, all the time:
  --latency MS         each chunk is late by so much, in each direction
  --jitter MS          and by up to so much more
  --rate BYTES         a second, of each direction: a slow reader
  --up FLOW            flows (default), stands, or swallowed: towards the target
  --down FLOW          the same, from the target
  --welcome HOW        relayed (default), held: a black hole, or refused
  --reset-after BYTES  each connection is reset after so many
  --idle MS            resets who is silent for so long: 60000 is what proxies do
  --swallow-pings      drops WebSocket pings and pongs; without TLS only

Faults now and then, in between:
  --seed N             begins a script of faults, the same for the same N
  --gap MS             between two of them, on average; default 10000
  --lasts MS           how long one lasts at most; default 5000
  --kinds A,B          of ${FAULT_KINDS.join(", ")}; default all
  --help

Ends with Ctrl-C.
`;

const OPTIONS = {
  listen: { type: "string", default: "127.0.0.1:0" },
  target: { type: "string", default: "" },
  latency: { type: "string", default: "0" },
  jitter: { type: "string", default: "0" },
  rate: { type: "string", default: "0" },
  up: { type: "string", default: "flows" },
  down: { type: "string", default: "flows" },
  welcome: { type: "string", default: "relayed" },
  "reset-after": { type: "string", default: "0" },
  idle: { type: "string", default: "0" },
  "swallow-pings": { type: "boolean", default: false },
  seed: { type: "string" },
  gap: { type: "string", default: "10000" },
  lasts: { type: "string", default: "5000" },
  kinds: { type: "string", default: FAULT_KINDS.join(",") },
  help: { type: "boolean", default: false },
} as const;

const FLOWS: readonly Flow[] = ["flows", "stands", "swallowed"];
const WELCOMES: readonly Welcome[] = ["relayed", "held", "refused"];

/** Scripts are planned for so long at a time. */
const PLAN_MS = 3_600_000;

async function main(argv: readonly string[]): Promise<number> {
  const flags = parseFlags(argv, OPTIONS, HELP);
  if (!flags) return EXIT_USAGE;
  const { values } = flags;
  if (values.help) {
    process.stdout.write(HELP);
    return 0;
  }
  const listen = parseSocketAddress(values.listen);
  const target = parseSocketAddress(values.target);
  const weather = weatherOf(values);
  const kinds = values.kinds.split(",").filter(isKind);
  if (!listen || !target || !weather || kinds.length === 0) {
    process.stderr.write(`Cannot understand the flags\n\n${HELP}`);
    return EXIT_USAGE;
  }
  const relay = await FaultRelay.listen({
    ...listen,
    target,
    weather,
    isFramed: values["swallow-pings"],
  });
  print(`listening ${printSocketAddress({ ...listen, port: relay.port })}`);
  if (values.seed === undefined) return 0;
  const random = new SeededRandom(Number(values.seed));
  for (;;) {
    const plan = planFaults(random, {
      durationMs: PLAN_MS,
      gapMs: Number(values.gap),
      lastsMaxMs: Number(values.lasts),
      kinds,
    });
    const startMs = performance.now();
    for (const { atMs, kind, lastsMs } of plan) {
      await sleep(Math.max(0, startMs + atMs - performance.now()));
      print(`${kind} for ${lastsMs} ms, ${relay.connectionCount} connected`);
      const mend = beginFault(relay, kind, random);
      await sleep(lastsMs);
      mend();
      relay.set(weather);
    }
  }
}

function isKind(text: string): text is FaultKind {
  return (FAULT_KINDS as readonly string[]).includes(text);
}

/** Undefined if a flag cannot be read. */
function weatherOf(
  values: Readonly<Record<string, string | boolean | undefined>>,
): Partial<Weather> | undefined {
  const up = FLOWS.find((flow) => flow === values["up"]);
  const down = FLOWS.find((flow) => flow === values["down"]);
  const welcome = WELCOMES.find((how) => how === values["welcome"]);
  const [latencyMs = NaN, jitterMs = NaN, bytesPerSecond = NaN] = [
    ...["latency", "jitter", "rate"].map((name) => Number(values[name])),
  ];
  const resetAfterBytes = Number(values["reset-after"]);
  const idleMs = Number(values["idle"]);
  const numbers = [
    latencyMs,
    jitterMs,
    bytesPerSecond,
    resetAfterBytes,
    idleMs,
  ];
  if (!up || !down || !welcome) return undefined;
  if (!numbers.every((number) => number >= 0)) return undefined;
  return {
    latencyMs,
    jitterMs,
    bytesPerSecond,
    up,
    down,
    welcome,
    resetAfterBytes,
    idleMs,
    swallowsPings: values["swallow-pings"] === true,
  };
}

function print(line: string): void {
  process.stdout.write(`${line}\n`);
}

process.exitCode = await main(process.argv.slice(2));
