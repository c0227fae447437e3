import { expect, test } from "bun:test";
import {
  parseFromAgent,
  parseFromGateway,
} from "../../src/protocol/control.ts";
import { Fault } from "../../src/protocol/fault.ts";
import {
  CONTROL_MESSAGE_MAX_BYTES,
  STREAM_CONTROL_MAX_BYTES,
} from "../../src/protocol/limits.ts";
import {
  HEARTBEAT_ECHO_TEXT,
  HEARTBEAT_TEXT,
  parseStreamMessage,
} from "../../src/protocol/stream_message.ts";

const PARSERS = [
  [parseFromAgent, CONTROL_MESSAGE_MAX_BYTES],
  [parseFromGateway, CONTROL_MESSAGE_MAX_BYTES],
  [parseStreamMessage, STREAM_CONTROL_MAX_BYTES],
] as const;

function faultOf(parse: () => unknown): unknown {
  try {
    return parse();
  } catch (error) {
    if (!(error instanceof Fault)) throw error;
    return { code: error.code, message: error.message };
  }
}

/** A heartbeat of exactly `bytes` in UTF-8, padded with `filler`. */
function heartbeatOf(bytes: number, filler: string): string {
  const frame = '{"type":"heartbeat","pad":""}';
  const fillerBytes = new TextEncoder().encode(filler).byteLength;
  const count = Math.floor((bytes - frame.length) / fillerBytes);
  const rest = bytes - frame.length - count * fillerBytes;
  return frame.replace('""}', `"${filler.repeat(count)}${"x".repeat(rest)}"}`);
}

for (const [parse, maxBytes] of PARSERS) {
  for (const filler of ["x", "é", "教", "🖥"]) {
    test(`${parse.name}() counts bytes of ${filler}: takes ${maxBytes}, refuses one more`, () => {
      const longest = heartbeatOf(maxBytes, filler);
      expect(new TextEncoder().encode(longest).byteLength).toBe(maxBytes);
      expect(parse(longest)).toEqual({ type: "heartbeat" });
      expect(faultOf(() => parse(heartbeatOf(maxBytes + 1, filler)))).toEqual({
        code: "messageTooLarge",
        message: `Cannot read message: over ${maxBytes} bytes`,
      });
    });
  }

  test(`${parse.name}() refuses the deepest nesting that fits, and lives`, () => {
    const depth = Math.floor(maxBytes / 2) - 32;
    const nested = "[".repeat(depth) + "]".repeat(depth);
    expect(faultOf(() => parse(nested))).toMatchObject({
      code: "messageInvalid",
    });
    const open = "[".repeat(maxBytes);
    expect(faultOf(() => parse(open))).toMatchObject({
      code: "messageInvalid",
    });
    // Unknown keys are dropped, however deep: or it is too deep to be read.
    const hidden = faultOf(() => parse(`{"type":"heartbeat","x":${nested}}`));
    const { type, code } = hidden as { type?: string; code?: string };
    expect(["heartbeat", "messageInvalid"]).toContain(type ?? code ?? "");
  });

  test(`${parse.name}() reads the two heartbeats of a stream link`, () => {
    expect(parse(HEARTBEAT_TEXT)).toEqual({ type: "heartbeat" });
    expect(parse(HEARTBEAT_ECHO_TEXT)).toEqual({
      type: "heartbeat",
      echo: true,
    });
  });

  test(`${parse.name}() does not repeat what the peer sent`, () => {
    const hostile = "\u001b[2J-secret-";
    const texts = [
      hostile,
      JSON.stringify({ type: hostile }),
      JSON.stringify({ [hostile]: hostile }),
      JSON.stringify({ type: "heartbeat", echo: hostile }),
    ];
    for (const text of texts) {
      const { message } = faultOf(() => parse(text)) as { message: string };
      expect(message).not.toContain("secret");
    }
  });
}

for (const parse of [parseFromAgent, parseFromGateway]) {
  test(`${parse.name}() refuses a binary message`, () => {
    const binary = new TextEncoder().encode(HEARTBEAT_TEXT);
    expect(faultOf(() => parse(binary))).toEqual({
      code: "messageInvalid",
      message: "Cannot read message: it is binary, text was expected",
    });
  });
}

test("parseFromAgent() names the field that is wrong", () => {
  const text =
    '{"type":"services","services":[{"name":"ssh","state":"open"},{"name":"ssh"}]}';
  expect(faultOf(() => parseFromAgent(text))).toEqual({
    code: "messageInvalid",
    message:
      'Cannot read message: its "services.1.state" is not what the protocol says',
  });
});
