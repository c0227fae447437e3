import { expect, test } from "bun:test";
import {
  parseFromAgent,
  parseFromGateway,
} from "../../src/protocol/control.ts";
import { Fault } from "../../src/protocol/fault.ts";
import { parseStreamMessage } from "../../src/protocol/stream_message.ts";

/** A field, the values at its limits, and those one past them. */
type Limit = readonly [
  path: string,
  taken: readonly unknown[],
  refused: readonly unknown[],
];

const TUNNEL = "0123456789abcdef0123456789abcdef";
const SERVICE = { name: "ssh", state: "open" };
const INT_MAX = Number.MAX_SAFE_INTEGER;
const DAY_MS = 86_400_000;

const TUNNEL_LIMIT: Limit = ["tunnel", [TUNNEL, "f".repeat(32)], [
  "f".repeat(31),
  "f".repeat(33),
  "g".repeat(32),
  "",
]];
const HEARTBEAT_LIMITS: readonly Limit[] = [
  ["heartbeat.interval_ms", [1_000, 600_000], [999, 600_001, 1_000.5, "1000"]],
  ["heartbeat.timeout_ms", [3_000, 1_800_000], [2_999, 1_800_001]],
];
const FAULT_LIMITS: readonly Limit[] = [
  ["code", ["internal", "peerGone"], ["Internal", "", "x".repeat(65)]],
  ["message", ["", "x".repeat(512)], ["x".repeat(513)]],
];
const HEARTBEAT = { "interval_ms": 20_000, "timeout_ms": 45_000 };

check(parseFromAgent, {
  type: "hello",
  versions: [2],
  software: "x",
  device: { id: 7, name: "aula-7" },
  services: [SERVICE],
}, [
  ["versions", [[1], Array(16).fill(1_000)], [
    [],
    Array(17).fill(2),
    [0],
    [
      1_001,
    ],
    [2.5],
    2,
  ]],
  ["software", ["", "x".repeat(64)], ["x".repeat(65), 2]],
  ["device.id", [1, 2 ** 31 - 1], [0, -1, 2 ** 31, 1.5, "7", null]],
  ["device.name", ["a", "x".repeat(128)], ["", "x".repeat(129), 7]],
  ["services", [[], Array(32).fill(SERVICE)], [Array(33).fill(SERVICE), null]],
  ["services.0.name", ["a", `a${"-".repeat(31)}`, "x_1"], [
    "",
    "x".repeat(33),
    "1x",
    "-x",
    "sSh",
    "a b",
    "a\n",
  ]],
  ["services.0.state", ["open", "closed", "unknown"], ["OPEN", "", 1]],
]);

check(parseFromAgent, { type: "opened", tunnel: TUNNEL }, [TUNNEL_LIMIT]);

check(parseFromAgent, {
  type: "refused",
  tunnel: TUNNEL,
  code: "serviceRefused",
  message: "x",
}, [TUNNEL_LIMIT, ...FAULT_LIMITS]);

check(parseFromGateway, {
  type: "welcome",
  version: 2,
  software: "x",
  heartbeat: HEARTBEAT,
  retry_cap_ms: 5_000,
  tunnels_max: 64,
}, [
  ["version", [0, INT_MAX], [INT_MAX + 1, 2.5, "2"]],
  ["software", ["", "x".repeat(64)], ["x".repeat(65)]],
  ["retry_cap_ms", [0, 600_000], [-1, 600_001, 0.5]],
  ["tunnels_max", [0, 65_536], [-1, 65_537]],
  ...HEARTBEAT_LIMITS,
]);

check(parseFromGateway, {
  type: "open",
  tunnel: TUNNEL,
  service: "ssh",
  operator: "ana",
  ticket: "x",
  deadline_ms: 10_000,
}, [
  TUNNEL_LIMIT,
  ["service", ["a", "x".repeat(32)], ["", "x".repeat(33), "SSH", "a/b"]],
  ["operator", ["", "x".repeat(256)], ["x".repeat(257)]],
  ["ticket", ["x", "x".repeat(512)], ["", "x".repeat(513)]],
  ["deadline_ms", [0, DAY_MS], [-1, DAY_MS + 1]],
]);

check(parseFromGateway, { type: "cancel", tunnel: TUNNEL }, [TUNNEL_LIMIT]);

check(parseFromGateway, { type: "drain", reconnect_within_ms: 1 }, [
  ["reconnect_within_ms", [0, DAY_MS], [-1, DAY_MS + 1]],
]);

check(parseStreamMessage, {
  type: "joined",
  tunnel: TUNNEL,
  heartbeat: HEARTBEAT,
}, [TUNNEL_LIMIT, ...HEARTBEAT_LIMITS]);

check(parseStreamMessage, { type: "ack", offset: 0, "window_bytes": 0 }, [
  ["offset", [0, INT_MAX], [-1, INT_MAX + 1, 0.5]],
  ["window_bytes", [0, 8 * 1024 * 1024], [-1, 8 * 1024 * 1024 + 1, 0.5]],
]);

check(parseStreamMessage, { type: "end", offset: 0 }, [
  ["offset", [0, INT_MAX], [-1, INT_MAX + 1, "0"]],
]);

check(parseStreamMessage, {
  type: "reset",
  code: "internal",
  message: "x",
}, FAULT_LIMITS);

function check(
  parse: (text: string) => unknown,
  message: Readonly<Record<string, unknown>>,
  limits: readonly Limit[],
): void {
  for (const [path, taken, refused] of limits) {
    const name = `${parse.name}() ${message["type"]} ${path}`;
    test(`${name} is taken at its limits and refused one past them`, () => {
      for (const value of taken) {
        const text = JSON.stringify(withField(message, path, value));
        expect(parse(text)).toStrictEqual(JSON.parse(text));
      }
      for (const value of refused) {
        const text = JSON.stringify(withField(message, path, value));
        expect(codeOf(() => parse(text))).toBe("messageInvalid");
      }
    });
    if (path.includes(".0.")) continue;
    test(`${name} may not be left out`, () => {
      const text = JSON.stringify(withField(message, path, undefined));
      expect(codeOf(() => parse(text))).toBe("messageInvalid");
    });
  }
}

function withField(message: object, path: string, value: unknown): object {
  const copy = structuredClone(message);
  const keys = path.split(".");
  const last = keys.pop() ?? "";
  let holder = copy as Record<string, unknown>;
  for (const key of keys) holder = holder[key] as Record<string, unknown>;
  holder[last] = value;
  return copy;
}

function codeOf(parse: () => unknown): string {
  try {
    return `took ${JSON.stringify(parse())}`;
  } catch (error) {
    if (error instanceof Fault) return error.code;
    throw error;
  }
}
