import { afterEach, beforeEach, expect, jest, test } from "bun:test";
import type { Socket } from "node:net";
import { Duplex } from "node:stream";
import { FrameLink } from "../../src/runtime/frame_link.ts";
import { OPCODES } from "../../src/runtime/ws_frame_reader.ts";
import { LinkEar } from "../contract/link_ear.ts";
import { clientFrame } from "../support/client_frame.ts";

const { close, ping, text } = OPCODES;

/** A socket whose peer says what a test wants, and takes all or nothing. */
class FakeSocket extends Duplex {
  written = Buffer.alloc(0);
  #isStuck = false;
  #waiting: (() => void) | undefined;

  override _read(): void {}

  override _write(chunk: Buffer, _encoding: string, done: () => void): void {
    this.written = Buffer.concat([this.written, chunk]);
    if (this.#isStuck) this.#waiting = done;
    else done();
  }

  stick(): void {
    this.#isStuck = true;
  }

  flush(): void {
    this.#isStuck = false;
    this.#waiting?.();
  }
}

function linkOver(
  socket: FakeSocket,
  head: Uint8Array = new Uint8Array(0),
): FrameLink {
  return new FrameLink(socket as unknown as Socket, head, "192.0.2.7");
}

/** Lets all turns pass that a socket without a kernel needs. */
async function settle(): Promise<void> {
  for (let turn = 0; turn < 20; turn++) await Promise.resolve();
  await new Promise((resolve) => process.nextTick(resolve));
  for (let turn = 0; turn < 20; turn++) await Promise.resolve();
}

beforeEach(() => void jest.useFakeTimers());
afterEach(() => void jest.useRealTimers());

test("FrameLink hears what came with the handshake first", async () => {
  const socket = new FakeSocket();
  const first = Buffer.from("first");
  const head = clientFrame({ opcode: text, payload: first });
  const link = linkOver(socket, head);
  const ear = new LinkEar(link);
  socket.push(clientFrame({ opcode: text, payload: Buffer.from("second") }));
  await settle();
  expect(ear.messages).toEqual(["first", "second"]);
});

test("FrameLink answers a ping in its words, however late", async () => {
  const socket = new FakeSocket();
  const link = linkOver(socket);
  const ear = new LinkEar(link);
  socket.stick();
  link.send("before");
  await settle();
  const words = Buffer.from("are you there");
  // Long enough that its memory is freed when it has been read.
  const rest = Buffer.alloc(40_000, 0x61);
  socket.push(Buffer.concat([
    clientFrame({ opcode: ping, payload: words }),
    clientFrame({ opcode: text, payload: rest }),
  ]));
  await settle();
  expect([ear.aliveCount, ear.receivedBytes]).toEqual([1, rest.length]);
  socket.flush();
  await settle();
  const answer = Buffer.concat([Uint8Array.of(0x8a, words.length), words]);
  expect(socket.written.subarray(8).equals(answer)).toBeTrue();
});

test("FrameLink tells of a drain once, when all of much has gone", async () => {
  const socket = new FakeSocket();
  const link = linkOver(socket);
  const ear = new LinkEar(link);
  socket.stick();
  link.send(new Uint8Array(60_000));
  link.send(new Uint8Array(60_000));
  await settle();
  expect([ear.drainCount, link.bufferedBytes > 64 * 1024])
    .toEqual([0, true]);
  socket.flush();
  await settle();
  link.send("little");
  await settle();
  expect([ear.drainCount, link.bufferedBytes]).toEqual([1, 0]);
});

test("FrameLink cuts a peer that does not say goodbye within 3 s", async () => {
  const socket = new FakeSocket();
  const link = linkOver(socket);
  const ear = new LinkEar(link);
  link.close(4417, "Begone");
  await settle();
  expect([...socket.written.subarray(0, 4)]).toEqual([0x88, 8, 0x11, 0x41]);
  jest.advanceTimersByTime(2_999);
  await settle();
  expect([socket.destroyed, ear.ends]).toEqual([false, []]);
  jest.advanceTimersByTime(1);
  await settle();
  expect([socket.destroyed, ear.ends])
    .toEqual([true, [{ code: 1006, reason: "" }]]);
});

test("FrameLink tells the goodbye of a peer, and leaves", async () => {
  const socket = new FakeSocket();
  const ear = new LinkEar(linkOver(socket));
  const payload = Buffer.concat([
    Uint8Array.of(0x11, 0x41),
    Buffer.from("Gone"),
  ]);
  socket.push(clientFrame({ opcode: close, payload }));
  await settle();
  expect([...socket.written]).toEqual([0x88, 6, ...payload]);
  expect(socket.writableEnded).toBeTrue();
  socket.push(null);
  await settle();
  expect(ear.ends).toEqual([{ code: 4417, reason: "Gone" }]);
});

test("FrameLink tells what broke it off, if nobody said goodbye", async () => {
  const socket = new FakeSocket();
  const link = linkOver(socket);
  socket.destroy(new Error("read ECONNRESET"));
  await settle();
  // Told to who handles it later, too.
  const ear = new LinkEar(link);
  expect(ear.ends).toEqual([{ code: 1006, reason: "read ECONNRESET" }]);
});

test("FrameLink refuses what no WebSocket says with 1002, and hears no more", async () => {
  const socket = new FakeSocket();
  const ear = new LinkEar(linkOver(socket));
  socket.push(clientFrame({ opcode: text, isMasked: false }));
  socket.push(clientFrame({ opcode: text, payload: Buffer.from("late") }));
  await settle();
  expect([...socket.written]).toEqual([0x88, 2, 0x03, 0xea]);
  socket.push(null);
  await settle();
  expect([ear.messages, ear.ends.map(({ code }) => code)])
    .toEqual([[], [1006]]);
});
