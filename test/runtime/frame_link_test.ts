import { afterEach, beforeEach, expect, jest, test } from "bun:test";
import { FrameLink } from "../../src/runtime/frame_link.ts";
import type { RawSocket, SocketOwner } from "../../src/runtime/raw_socket.ts";
import { OPCODES } from "../../src/runtime/ws_frame_reader.ts";
import { LinkEar } from "../contract/link_ear.ts";
import { clientFrame } from "../support/client_frame.ts";

const { close, ping, text } = OPCODES;

/** A connection whose peer says what a test wants, and takes all or nothing. */
class FakeSocket {
  readonly remoteAddress = "192.0.2.7";
  data: SocketOwner | undefined;
  written = Buffer.alloc(0);
  isPaused = false;
  isShut = false;
  isDestroyed = false;
  /** How much more of a write it takes. */
  roomBytes = Infinity;
  /** What came while it was paused. */
  readonly #unread: Uint8Array[] = [];

  write(chunk: Uint8Array): number {
    const taken = chunk.subarray(0, this.roomBytes);
    this.roomBytes -= taken.length;
    this.written = Buffer.concat([this.written, taken]);
    return taken.length;
  }

  pause(): void {
    this.isPaused = true;
  }

  resume(): void {
    this.isPaused = false;
    for (const chunk of this.#unread.splice(0)) this.data?.received(chunk);
  }

  shutdown(): void {
    this.isShut = true;
  }

  end(): void {
    this.terminate();
  }

  terminate(): void {
    if (this.isDestroyed) return;
    this.isDestroyed = true;
    this.data?.gone(undefined);
  }

  say(chunk: Uint8Array): void {
    this.#unread.push(chunk);
    if (!this.isPaused) this.resume();
  }

  flush(roomBytes = Infinity): void {
    this.roomBytes = roomBytes;
    this.data?.drained();
  }
}

function linkOver(
  socket: FakeSocket,
  ...head: readonly Uint8Array[]
): FrameLink {
  return new FrameLink(socket as unknown as RawSocket, head);
}

/** Lets this turn end: long messages are written then. */
async function settle(): Promise<void> {
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
  socket.say(clientFrame({ opcode: text, payload: Buffer.from("second") }));
  await settle();
  expect(ear.messages).toEqual(["first", "second"]);
});

test("FrameLink answers a ping in its words, however late", async () => {
  const socket = new FakeSocket();
  const link = linkOver(socket);
  const ear = new LinkEar(link);
  socket.roomBytes = 0;
  link.send("before");
  await settle();
  const words = Buffer.from("are you there");
  // Long enough that its memory is freed when it has been read.
  const rest = Buffer.alloc(40_000, 0x61);
  socket.say(Buffer.concat([
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
  socket.roomBytes = 0;
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

test("FrameLink tells of a drain, too, if the kernel takes much at once", async () => {
  const link = linkOver(new FakeSocket());
  const ear = new LinkEar(link);
  link.send(new Uint8Array(60_000));
  link.send(new Uint8Array(60_000));
  expect([ear.drainCount, link.bufferedBytes]).toEqual([0, 120_000]);
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
  expect([socket.isDestroyed, ear.ends]).toEqual([false, []]);
  jest.advanceTimersByTime(1);
  await settle();
  expect([socket.isDestroyed, ear.ends])
    .toEqual([true, [{ code: 1006, reason: "" }]]);
});

test("FrameLink tells the goodbye of a peer, and leaves", async () => {
  const socket = new FakeSocket();
  const ear = new LinkEar(linkOver(socket));
  const payload = Buffer.concat([
    Uint8Array.of(0x11, 0x41),
    Buffer.from("Gone"),
  ]);
  socket.say(clientFrame({ opcode: close, payload }));
  await settle();
  expect([...socket.written]).toEqual([0x88, 6, ...payload]);
  expect(socket.isShut).toBeTrue();
  socket.data?.peerEnded();
  await settle();
  expect(ear.ends).toEqual([{ code: 4417, reason: "Gone" }]);
});

test("FrameLink tells what broke it off, if nobody said goodbye", async () => {
  const socket = new FakeSocket();
  const link = linkOver(socket);
  socket.data?.gone(new Error("read ECONNRESET"));
  await settle();
  // Told to who handles it later, too.
  const ear = new LinkEar(link);
  expect(ear.ends).toEqual([{ code: 1006, reason: "read ECONNRESET" }]);
});

test("FrameLink refuses what no WebSocket says with 1002, and hears no more", async () => {
  const socket = new FakeSocket();
  const ear = new LinkEar(linkOver(socket));
  socket.say(clientFrame({ opcode: text, isMasked: false }));
  socket.say(clientFrame({ opcode: text, payload: Buffer.from("late") }));
  await settle();
  expect([...socket.written]).toEqual([0x88, 2, 0x03, 0xea]);
  socket.data?.peerEnded();
  await settle();
  expect([ear.messages, ear.ends.map(({ code }) => code)])
    .toEqual([[], [1006]]);
});

test("FrameLink writes on where the kernel has stopped to take", async () => {
  const socket = new FakeSocket();
  const link = linkOver(socket);
  const ear = new LinkEar(link);
  socket.roomBytes = 70_000;
  const messages = [1, 2, 3].map((fill) => new Uint8Array(60_000).fill(fill));
  for (const message of messages) link.send(message);
  link.send("last");
  const frames = messages.map((message) =>
    Buffer.concat([Uint8Array.of(0x82, 126, 0xea, 0x60), message])
  );
  const last = [Uint8Array.of(0x81, 4), Buffer.from("last")];
  const all = Buffer.concat([...frames, ...last]);
  await settle();
  expect(link.bufferedBytes).toBeGreaterThan(0);
  while (link.bufferedBytes > 0) socket.flush(9_999);
  await settle();
  expect([socket.written.equals(all), ear.drainCount]).toEqual([true, 1]);
});

test("FrameLink leaves a caller that it closed before anybody heard it", async () => {
  const socket = new FakeSocket();
  const early = clientFrame({ opcode: text, payload: Buffer.from("early") });
  const link = linkOver(socket, early);
  link.close(1000, "");
  const payload = Uint8Array.of(0x03, 0xe8);
  socket.say(clientFrame({ opcode: close, payload }));
  await settle();
  expect([socket.isPaused, socket.isShut]).toEqual([false, true]);
  socket.data?.peerEnded();
  const ear = new LinkEar(link);
  await settle();
  expect([ear.messages, ear.ends])
    .toEqual([[], [{ code: 1000, reason: "" }]]);
});

test("FrameLink tells of its end once, and not within the call that ends it", async () => {
  const socket = new FakeSocket();
  const link = linkOver(socket);
  const first = new LinkEar(link);
  link.terminate();
  expect(first.ends).toEqual([]);
  const second = new LinkEar(link);
  await settle();
  const third = new LinkEar(link);
  expect([first, second, third].map(({ ends }) => ends.length))
    .toEqual([0, 1, 1]);
});

test("FrameLink stays paused if its first hearer wants no more", () => {
  const socket = new FakeSocket();
  const first = clientFrame({ opcode: text, payload: Buffer.from("first") });
  const link = linkOver(socket, first);
  const ear = new LinkEar();
  ear.message = (message) => {
    ear.messages.push(message);
    link.pause();
  };
  link.handle(ear);
  expect([ear.messages, socket.isPaused]).toEqual([["first"], true]);
});
