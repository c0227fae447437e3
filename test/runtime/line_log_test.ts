import { expect, test } from "bun:test";
import type { Log, LogFields } from "../../src/base/log.ts";
import { Fault } from "../../src/protocol/fault.ts";
import { createLineLog } from "../../src/runtime/line_log.ts";

const WALL_MS = Date.UTC(2026, 10, 21, 10);
const TIME = "2026-11-21T10:00:00.000Z";
const LINE_MAX_BYTES = 8 * 1024;

function lines(format: "text" | "json", use: (log: Log) => void): string[] {
  const written: string[] = [];
  const write = (line: string) => void written.push(line);
  use(createLineLog({ format, write, wallNow: () => WALL_MS }));
  return written;
}

const refusal = new Fault("serviceRefused", "Cannot reach 127.0.0.1:22: no", {
  hint: "Start sshd",
  cause: new Fault("linkLost", "The link broke off", {
    cause: new RangeError("Out of range"),
  }),
});

test("createLineLog() writes one line an event, fields as they come", () => {
  const written = lines("text", (log) => {
    log.info("link.open", { gateway: "wss://gw.example/tunnel", attempt: 1 });
    log.warn("link.slow", { lateMs: 1.5, paused: false });
    log.info("agent.start", {});
  });
  expect(written).toEqual([
    `${TIME} info link.open gateway=wss://gw.example/tunnel attempt=1`,
    `${TIME} warn link.slow lateMs=1.5 paused=false`,
    `${TIME} info agent.start`,
  ]);
});

test("createLineLog() quotes what would not be read back", () => {
  const [line] = lines("text", (log) =>
    log.info("x", {
      a: "",
      b: "two words",
      c: 'say "hi"',
      d: "k=v",
      e: "C:\\ssh",
      f: "aula-ñ",
      g: "a\u00a0b",
    }));
  expect(line).toBe(
    `${TIME} info x a="" b="two words" c="say \\"hi\\"" d="k=v"` +
      ` e="C:\\\\ssh" f=aula-ñ g="a\u00a0b"`,
  );
});

test("createLineLog() lets no peer forge a line or move a cursor", () => {
  const hostile = `a\n${TIME} info forged\r\u001b[2J\u202e\u2028`;
  for (const format of ["text", "json"] as const) {
    const [line = ""] = lines(
      format,
      (log) =>
        log.error("x", { name: hostile }, new Fault("linkLost", hostile)),
    );
    // deno-lint-ignore no-control-regex
    expect(line).not.toMatch(/[\u0000-\u001f\u202e\u2028]/);
    expect(line).toContain(`a?${TIME} info forged??[2J??`);
  }
});

test("createLineLog() tells a fault by code, message, hint and causes", () => {
  const [line] = lines("text", (log) => log.warn("tunnel.refuse", {}, refusal));
  expect(line).toBe(
    `${TIME} warn tunnel.refuse code=serviceRefused` +
      ` message="Cannot reach 127.0.0.1:22: no" hint="Start sshd"` +
      ` cause="linkLost: The link broke off; RangeError: Out of range"`,
  );
});

test("createLineLog() writes the same as JSON", () => {
  const [line = ""] = lines(
    "json",
    (log) => log.warn("tunnel.refuse", { tunnelId: "t1", waitMs: 5 }, refusal),
  );
  expect(JSON.parse(line)).toEqual({
    time: TIME,
    level: "warn",
    event: "tunnel.refuse",
    tunnelId: "t1",
    waitMs: 5,
    error: {
      code: "serviceRefused",
      message: "Cannot reach 127.0.0.1:22: no",
      hint: "Start sshd",
      causes: ["linkLost: The link broke off", "RangeError: Out of range"],
    },
  });
  expect(Object.keys(JSON.parse(line)))
    .toEqual(["time", "level", "event", "tunnelId", "waitMs", "error"]);
});

test("createLineLog() tells a bug with its stack, in one field", () => {
  const bug = new TypeError("x is not a function");
  const around = Fault.from(bug);
  const [plain = "", wrapped = ""] = lines("json", (log) => {
    log.error("agent.fail", {}, bug);
    log.error("agent.fail", {}, around);
  });
  for (const line of [plain, wrapped]) {
    const { code, stack } = JSON.parse(line).error;
    expect(code).toBe("internal");
    expect(stack).toMatch(
      /^TypeError: x is not a function \| at .*line_log_test/,
    );
  }
  expect(JSON.parse(plain).error.message).toBe(
    "TypeError: x is not a function",
  );
  expect(JSON.parse(wrapped).error.message).toBe(around.message);
});

test("createLineLog() says each part of an error that is several", () => {
  const several = new AggregateError(
    [new Error("one"), new Error("two")],
    "Cannot release every resource",
  );
  const [line = ""] = lines("json", (log) => log.error("x", {}, several));
  expect(JSON.parse(line).error.causes).toEqual(["Error: one", "Error: two"]);
});

test("createLineLog() comes to an end with causes in a circle", () => {
  const one: Error = new Error("one");
  one.cause = new Error("two", { cause: one });
  const [line = ""] = lines("json", (log) => log.error("x", {}, one));
  expect(JSON.parse(line).error.causes).toHaveLength(8);
});

test("createLineLog() keeps its own names for itself", () => {
  const [line = ""] = lines(
    "json",
    (log) =>
      log.error("x", { level: "fake", time: "never", error: "none" }, refusal),
  );
  const { level, level_, time, error_, error } = JSON.parse(line);
  expect([level, level_, time, error_, error.code])
    .toEqual(["error", "fake", TIME, "none", "serviceRefused"]);
});

test("createLineLog() writes no line above its limit, and JSON stays whole", () => {
  const long = '\\ñ€ "'.repeat(100_000);
  const many: LogFields = Object.fromEntries(
    Array.from({ length: 1_000 }, (_, i) => [`field${i}`, long]),
  );
  const deep = new Fault("linkLost", long, {
    hint: long,
    cause: new Error(long),
  });
  const use = (log: Log) => {
    log.error("x", { a: long }, deep);
    log.error("x", many, deep);
    log.info(long, { [long]: long });
  };
  const text = lines("text", use);
  const json = lines("json", use);
  const sizes = [...text, ...json].map((line) => Buffer.byteLength(line));
  expect(sizes).toHaveLength(6);
  expect(Math.max(...sizes)).toBeLessThanOrEqual(LINE_MAX_BYTES);
  expect(Math.min(...sizes)).toBeGreaterThan(60);
  for (const line of json) expect(JSON.parse(line).time).toBe(TIME);
  expect(JSON.parse(json[0] ?? "").error.code).toBe("linkLost");
});

test("createLineLog() never throws, whatever it is given", () => {
  const untruthful = {
    toString() {
      throw new Error("no text");
    },
  };
  const wrong = { a: undefined, b: 1n, c: untruthful, d: Number.NaN };
  for (const format of ["text", "json"] as const) {
    const written = lines(format, (log) => {
      log.info("x", wrong as unknown as LogFields);
      for (
        const thrown of [undefined, null, 0, "text", untruthful, Symbol("s")]
      ) {
        log.error("x", {}, thrown);
      }
    });
    expect(written).toHaveLength(7);
    expect(written[0]).toContain("an unprintable object");
    expect(written[1]).toContain("undefined");
  }
});

test("createLineLog() outlives a broken clock and a full disk", () => {
  const written: string[] = [];
  const log = createLineLog({
    format: "text",
    write: (line) => void written.push(line),
    wallNow: () => Number.NaN,
  });
  log.info("x", {});
  expect(written).toEqual(["- info x"]);
  const mute = createLineLog({
    format: "text",
    write: () => {
      throw new Error("No space left on device");
    },
    wallNow: () => WALL_MS,
  });
  expect(() => mute.info("x", {})).not.toThrow();
});
