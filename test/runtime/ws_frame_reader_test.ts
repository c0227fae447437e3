import { expect, test } from "bun:test";
import { FrameReader, OPCODES } from "../../src/runtime/ws_frame_reader.ts";
import { clientFrame } from "../support/client_frame.ts";

const MAX_BYTES = 64 * 1024;

/** What the reader makes of `bytes` that come in pieces of `pieceBytes`. */
function read(bytes: Uint8Array, pieceBytes = Infinity): unknown[] {
  const heard: unknown[] = [];
  const reader = new FrameReader({
    message: (message) =>
      heard.push(
        typeof message === "string" ? message : [...message.subarray(0, 300)],
      ),
    pinged: (payload) => heard.push(["ping", ...payload]),
    ponged: () => heard.push("pong"),
    goodbye: (code, reason) => heard.push({ code, reason }),
    failed: (code, why) => heard.push({ failed: code, why }),
  }, MAX_BYTES);
  for (const piece of pieces(bytes, pieceBytes)) reader.push(piece);
  return heard;
}

/** Copies, not views: a reader unmasks in place. */
function pieces(bytes: Uint8Array, pieceBytes: number): Uint8Array[] {
  const size = Math.min(pieceBytes, bytes.length);
  return Array.from(
    { length: Math.ceil(bytes.length / size) },
    (_, i) => new Uint8Array(bytes.subarray(i * size, (i + 1) * size)),
  );
}

function text(words: string): Uint8Array {
  return new TextEncoder().encode(words);
}

function bytesOf(count: number): Uint8Array {
  return Uint8Array.from({ length: count }, (_, i) => i * 7);
}

const { binary, close, continuation, ping, pong } = OPCODES;
const TEXT = OPCODES.text;

test("FrameReader reads what it gets in pieces of any length", () => {
  const frames = [
    clientFrame({ opcode: TEXT, payload: text("téxt 教🖥") }),
    clientFrame({ opcode: binary, payload: bytesOf(300) }),
    clientFrame({ opcode: ping, payload: bytesOf(5) }),
    clientFrame({ opcode: TEXT }),
    clientFrame({ opcode: binary, payload: bytesOf(7) }),
    clientFrame({ opcode: pong }),
    clientFrame({ opcode: close, payload: text("\u000f\u00a1") }),
  ];
  const whole = Buffer.concat(frames);
  const heard = [
    "téxt 教🖥",
    [...bytesOf(300)],
    ["ping", ...bytesOf(5)],
    "",
    [...bytesOf(7)],
    "pong",
  ];
  for (let pieceBytes = 1; pieceBytes < 40; pieceBytes++) {
    expect(read(whole, pieceBytes).slice(0, 6)).toEqual(heard);
  }
  expect(read(whole).slice(0, 6)).toEqual(heard);
});

test("FrameReader hands a long message on unchanged, wherever it was cut", () => {
  const payload = bytesOf(MAX_BYTES);
  const frame = clientFrame({ opcode: binary, payload });
  for (const pieceBytes of [1_000, 16_384, 65_537, Infinity]) {
    const heard: Uint8Array[] = [];
    const reader = new FrameReader({
      message: (message) => void heard.push(message as Uint8Array),
      pinged: () => undefined,
      ponged: () => undefined,
      goodbye: () => undefined,
      failed: () => undefined,
    }, MAX_BYTES);
    for (const piece of pieces(frame, pieceBytes)) reader.push(piece);
    expect(heard.map((it) => Buffer.compare(it, payload))).toEqual([0]);
  }
});

test("FrameReader joins the frames of one message, with control between them", () => {
  const frames = [
    clientFrame({ opcode: TEXT, payload: text("one, "), isPart: true }),
    clientFrame({ opcode: ping }),
    clientFrame({ opcode: continuation, isPart: true }),
    clientFrame({ opcode: continuation, payload: text("two") }),
    clientFrame({ opcode: TEXT, payload: text("three") }),
  ];
  expect(read(Buffer.concat(frames))).toEqual([["ping"], "one, two", "three"]);
});

test("FrameReader keeps no part of a message in what it was read from", () => {
  const heard: unknown[] = [];
  const reader = new FrameReader({
    message: (message) => heard.push(message),
    pinged: () => undefined,
    ponged: () => undefined,
    goodbye: () => undefined,
    failed: () => undefined,
  }, MAX_BYTES);
  const read = Buffer.from(
    clientFrame({ opcode: TEXT, payload: text("one, "), isPart: true }),
  );
  reader.push(read);
  read.fill(0);
  reader.push(clientFrame({ opcode: continuation, payload: text("two") }));
  expect(heard).toEqual(["one, two"]);
});

test("FrameReader tells a goodbye, and hears nothing after it", () => {
  const payload = Buffer.concat([Uint8Array.of(0x11, 0x41), text("Begone")]);
  const after = clientFrame({ opcode: TEXT, payload: text("late") });
  const bye = clientFrame({ opcode: close, payload });
  expect(read(Buffer.concat([bye, after])))
    .toEqual([{ code: 4417, reason: "Begone" }]);
  expect(read(clientFrame({ opcode: close })))
    .toEqual([{ code: 1005, reason: "" }]);
});

const PART = clientFrame({ opcode: binary, isPart: true });
const FULL = clientFrame({
  opcode: binary,
  payload: bytesOf(MAX_BYTES),
  isPart: true,
});

for (
  const [what, code, frames] of [
    ["a frame without a mask", 1002, [{ opcode: binary, isMasked: false }]],
    ["reserved bits", 1002, [{ opcode: binary, reservedBits: 0x40 }]],
    ["an unknown opcode", 1002, [{ opcode: 3 }]],
    ["an unknown opcode of control", 1002, [{ opcode: 11 }]],
    ["a ping in parts", 1002, [{ opcode: ping, isPart: true }]],
    ["a long ping", 1002, [{ opcode: ping, payload: bytesOf(126) }]],
    ["a continuation of nothing", 1002, [{ opcode: continuation }]],
    ["a message within another", 1002, [PART, { opcode: binary }]],
    ["half a close code", 1002, [{ opcode: close, payload: bytesOf(1) }]],
    [
      "a close code that is none",
      1002,
      [{ opcode: close, payload: Uint8Array.of(3, 237) }],
    ],
    [
      "text that is no UTF-8",
      1007,
      [{ opcode: TEXT, payload: Uint8Array.of(0xff) }],
    ],
    [
      "a message that is too long",
      1009,
      [{ opcode: binary, saidBytes: BigInt(MAX_BYTES + 1) }],
    ],
    [
      "a length that no number holds",
      1009,
      [{ opcode: binary, saidBytes: 2n ** 63n }],
    ],
    [
      "a message whose parts are too long together",
      1009,
      [FULL, { opcode: continuation, payload: bytesOf(1) }],
    ],
  ] as const
) {
  test(`FrameReader refuses ${what} with ${code}, and hears nothing after it`, () => {
    const after = clientFrame({ opcode: TEXT, payload: text("late") });
    const bytes = frames.map((it) =>
      it instanceof Uint8Array ? it : clientFrame(it)
    );
    expect(read(Buffer.concat([...bytes, after])))
      .toMatchObject([{ failed: code }]);
  });
}
