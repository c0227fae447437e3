import { expect, test } from "bun:test";
import {
  encodeExecMessage,
  encodeExecOutput,
  ExecFrameDecoder,
  type ExecMessage,
} from "../../src/protocol/exec_frame.ts";
import { Fault } from "../../src/protocol/fault.ts";
import {
  EXEC_JSON_MAX_BYTES,
  EXEC_OUTPUT_MAX_BYTES,
  EXEC_WORDS_MAX_COUNT,
} from "../../src/protocol/limits.ts";
import exec from "../vectors/exec.json";
import { FrameEar } from "./frame_ear.ts";

type Side = "operator" | "agent";

/** Messages of each type, with JSON of more than one byte a character. */
const MESSAGES: Readonly<Record<Side, readonly ExecMessage[]>> = {
  operator: [
    { type: "start", start: { argv: ["migasfree", "sync"] } },
    { type: "start", start: { argv: ["ñandú", "", "😀"], timeout_ms: 1 } },
    { type: "cancel" },
  ],
  agent: [
    { type: "exit", exit: { code: 0 } },
    { type: "exit", exit: { code: 0xffff_ffff } },
    { type: "exit", exit: { signal: "SIGTERM" } },
    { type: "error", error: { code: "execRefused", message: "Cannot run ñ" } },
  ],
};

for (const { name, from, hex, said, fault } of exec.vectors) {
  test(`ExecFrameDecoder ${fault ? "refuses" : "reads"} ${name}`, () => {
    const ear = new FrameEar(from as Side);
    const code = faultOf(() => ear.decode(Uint8Array.fromHex(hex)));
    expect<unknown>(fault ? { fault: code } : { said: ear.said, fault: code })
      .toEqual(fault ? { fault } : { said, fault: undefined });
  });
}

test("encodeExecMessage() and the decoder of its side agree on every message", () => {
  for (const side of ["operator", "agent"] as const) {
    const ear = new FrameEar(side);
    for (const message of MESSAGES[side]) {
      ear.decode(encodeExecMessage(message));
    }
    expect(ear.said).toEqual([...MESSAGES[side]]);
    expect(ear.isBetweenFrames).toBeTrue();
  }
});

test("ExecFrameDecoder takes frames byte by byte, and knows when it has a whole one", () => {
  const ear = new FrameEar("agent");
  const frames = [
    encodeExecOutput("stderr", bytesOf("añb")),
    encodeExecMessage({ type: "exit", exit: { code: 3 } }),
  ];
  for (const frame of frames) {
    for (const [index, byte] of frame.entries()) {
      ear.decode(Uint8Array.of(byte));
      expect(ear.isBetweenFrames).toBe(index === frame.length - 1);
    }
  }
  expect(ear.said).toEqual([
    { type: "stderr", hex: bytesOf("añb").toHex() },
    { type: "exit", exit: { code: 3 } },
  ]);
});

test("ExecFrameDecoder passes output on without copying it", () => {
  const frames = encodeExecOutput("stdout", bytesOf("output"));
  const pieces: Uint8Array[] = [];
  new ExecFrameDecoder("agent", {
    output: (_output, piece) => void pieces.push(piece),
    message: () => undefined,
  }).decode(frames);
  expect(pieces.map(({ buffer, byteOffset }) => [buffer, byteOffset]))
    .toEqual([[frames.buffer, 5]]);
});

test("encodeExecOutput() cuts a long chunk into frames at the limit", () => {
  const chunk = new Uint8Array(2 * EXEC_OUTPUT_MAX_BYTES + 1).fill(7);
  const frames = encodeExecOutput("stdout", chunk);
  const headers = [0, 1, 2].map((index) => {
    const at = index * (EXEC_OUTPUT_MAX_BYTES + 5);
    return frames.subarray(at, at + 5).toHex();
  });
  expect(headers).toEqual(["1100008000", "1100008000", "1100000001"]);
  expect(frames.length).toBe(chunk.length + 3 * 5);
  const ear = new FrameEar("agent");
  ear.decode(frames);
  expect(ear.said).toEqual([{ type: "stdout", hex: chunk.toHex() }]);
  expect(encodeExecOutput("stdout", new Uint8Array())).toEqual(
    new Uint8Array(),
  );
});

test("ExecFrameDecoder takes JSON and output at their limits and refuses one byte more", () => {
  const message = "x".repeat(512);
  const error = JSON.stringify({ code: "internal", message });
  const cases = [
    [20, error.padEnd(EXEC_JSON_MAX_BYTES), undefined],
    [20, error.padEnd(EXEC_JSON_MAX_BYTES + 1), "messageTooLarge"],
    [17, "x".repeat(EXEC_OUTPUT_MAX_BYTES), undefined],
    [17, "x".repeat(EXEC_OUTPUT_MAX_BYTES + 1), "messageTooLarge"],
  ] as const;
  for (const [type, payload, fault] of cases) {
    const ear = new FrameEar("agent");
    const found = faultOf(() => ear.decode(frameOf(type, bytesOf(payload))));
    expect([type, payload.length, found]).toEqual([
      type,
      payload.length,
      fault,
    ]);
  }
});

test("ExecFrameDecoder refuses a frame that is too long before its payload has come", () => {
  const ear = new FrameEar("operator");
  const header = frameOf(1, new Uint8Array(), EXEC_JSON_MAX_BYTES + 1);
  expect(faultOf(() => ear.decode(header))).toBe("messageTooLarge");
});

test("ExecFrameDecoder takes 256 words and refuses one more", () => {
  for (const extra of [0, 1]) {
    const argv = Array(EXEC_WORDS_MAX_COUNT + extra).fill("x");
    const frame = encodeExecMessage({ type: "start", start: { argv } });
    const fault = faultOf(() => new FrameEar("operator").decode(frame));
    expect([extra, fault]).toEqual([
      extra,
      extra ? "messageInvalid" : undefined,
    ]);
  }
});

function frameOf(type: number, payload: Uint8Array, length = payload.length) {
  const frame = new Uint8Array(5 + payload.length);
  new DataView(frame.buffer).setUint8(0, type);
  new DataView(frame.buffer).setUint32(1, length);
  frame.set(payload, 5);
  return frame;
}

function bytesOf(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}

function faultOf(work: () => void): string | undefined {
  try {
    work();
    return undefined;
  } catch (error) {
    if (error instanceof Fault) return error.code;
    throw error;
  }
}
