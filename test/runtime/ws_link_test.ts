import { afterEach, beforeEach, expect, jest, test } from "bun:test";
import { EventEmitter } from "node:events";
import type { WebSocket } from "ws";
import { WsLink } from "../../src/runtime/ws_link.ts";
import { LinkEar } from "../contract/link_ear.ts";

/** A WebSocket that says what a test wants, in any order. */
class FakeSocket extends EventEmitter {
  readonly OPEN = 1;
  readyState = 1;
  bufferedAmount = 0;
  readonly calls: string[] = [];
  readonly sentMessages: unknown[] = [];
  readonly #sent: (() => void)[] = [];

  send(message: unknown, sent: () => void): void {
    this.sentMessages.push(message);
    this.#sent.push(sent);
  }

  close(code: number, reason: string): void {
    this.calls.push(`close ${code} ${reason}`);
  }

  terminate(): void {
    this.calls.push("terminate");
  }

  pause(): void {
    this.calls.push("pause");
  }

  resume(): void {
    this.calls.push("resume");
  }

  text(text: string): void {
    this.emit("message", Buffer.from(text), false);
  }

  /** The kernel takes what was sent; `left` bytes are still to go. */
  flush(left: number): void {
    this.bufferedAmount = left;
    for (const sent of this.#sent.splice(0)) sent();
  }
}

function linkOver(socket: FakeSocket): WsLink {
  return new WsLink(socket as unknown as WebSocket, "192.0.2.7");
}

beforeEach(() => void jest.useFakeTimers());
afterEach(() => void jest.useRealTimers());

test("WsLink reads nothing before it is handled", () => {
  const socket = new FakeSocket();
  const link = linkOver(socket);
  expect(socket.calls).toEqual(["pause"]);
  new LinkEar(link);
  expect(socket.calls).toEqual(["pause", "resume"]);
});

test("WsLink gives early messages to whoever handles it by then", () => {
  const socket = new FakeSocket();
  const link = linkOver(socket);
  for (const text of ["hello", "second", "third"]) socket.text(text);
  const [first, second] = [new LinkEar(), new LinkEar()];
  first.message = (message) => {
    first.messages.push(message);
    link.handle(second);
  };
  link.handle(first);
  socket.text("fourth");
  expect([first.messages, second.messages])
    .toEqual([["hello"], ["second", "third", "fourth"]]);
  expect(socket.calls.at(-1)).toBe("resume");
});

test("WsLink tells an early end once, to the last who handles it", () => {
  const socket = new FakeSocket();
  const link = linkOver(socket);
  socket.text("hello");
  socket.emit("close", 4003, Buffer.from("Gone"));
  const [first, second] = [new LinkEar(), new LinkEar()];
  first.message = () => link.handle(second);
  link.handle(first);
  expect([first.ends, second.ends])
    .toEqual([[], [{ code: 4003, reason: "Gone" }]]);
});

test("WsLink tells one end when it is handled between an error and the close", () => {
  const socket = new FakeSocket();
  const link = linkOver(socket);
  socket.emit("error", new Error("read ECONNRESET"));
  const ear = new LinkEar(link);
  expect(ear.ends).toEqual([]);
  socket.emit("close", 1006, Buffer.from(""));
  expect(ear.ends).toEqual([{ code: 1006, reason: "read ECONNRESET" }]);
});

test("WsLink prefers the reason that the peer gave to an error's text", () => {
  const socket = new FakeSocket();
  const ear = new LinkEar(linkOver(socket));
  socket.emit("error", new Error("later"));
  socket.emit("close", 4404, "Offline");
  expect(ear.ends).toEqual([{ code: 4404, reason: "Offline" }]);
});

test("WsLink cuts a peer that says too much before it is handled", () => {
  const socket = new FakeSocket();
  linkOver(socket);
  for (let i = 0; i < 64; i++) socket.text("early");
  expect(socket.calls).toEqual(["pause"]);
  socket.text("early");
  expect(socket.calls).toEqual(["pause", "terminate"]);
});

test("WsLink tells of a drain once, when all of much has gone", () => {
  const socket = new FakeSocket();
  const link = linkOver(socket);
  const ear = new LinkEar(link);
  socket.bufferedAmount = 64 * 1024;
  link.send("little");
  socket.flush(0);
  expect(ear.drainCount).toBe(0);
  socket.bufferedAmount = 64 * 1024 + 1;
  link.send("much");
  link.send("more");
  socket.flush(1);
  expect(ear.drainCount).toBe(0);
  link.send("last");
  socket.flush(0);
  link.send("little");
  socket.flush(0);
  expect(ear.drainCount).toBe(1);
});

test("WsLink cuts a peer that does not say goodbye within 3 s", () => {
  const socket = new FakeSocket();
  const link = linkOver(socket);
  new LinkEar(link);
  socket.calls.length = 0;
  link.close(1000, "");
  link.close(4500, "again");
  expect(socket.calls).toEqual(["close 1000 ", "resume"]);
  jest.advanceTimersByTime(2_999);
  expect(socket.calls.length).toBe(2);
  jest.advanceTimersByTime(1);
  expect(socket.calls).toEqual(["close 1000 ", "resume", "terminate"]);
});

test("WsLink cuts a peer that broke a rule and does not leave within 3 s", () => {
  const socket = new FakeSocket();
  new LinkEar(linkOver(socket));
  socket.emit("error", new Error("MASK must be set"));
  jest.advanceTimersByTime(2_999);
  expect(socket.calls).not.toContain("terminate");
  jest.advanceTimersByTime(1);
  expect(socket.calls.at(-1)).toBe("terminate");
  socket.emit("close", 1006, Buffer.from(""));
  jest.advanceTimersByTime(60_000);
  expect(socket.calls.filter((call) => call === "terminate").length).toBe(1);
});

test("WsLink calls a message that was too long by its name", () => {
  const socket = new FakeSocket();
  const ear = new LinkEar(linkOver(socket));
  const code = "WS_ERR_UNSUPPORTED_MESSAGE_LENGTH";
  const error = new RangeError("Max payload size exceeded");
  socket.emit("error", Object.assign(error, { code }));
  socket.emit("close", 1006, Buffer.from(""));
  expect(ear.ends).toEqual([
    { code: 4413, reason: "Cannot read message: over 65536 bytes" },
  ]);
});

test("WsLink cuts nobody who said goodbye in time", () => {
  const socket = new FakeSocket();
  const link = linkOver(socket);
  new LinkEar(link);
  link.close(1000, "");
  socket.emit("close", 1000, Buffer.from(""));
  jest.advanceTimersByTime(60_000);
  expect(socket.calls).not.toContain("terminate");
});

test("WsLink sends and closes nothing once its socket is closing", () => {
  const socket = new FakeSocket();
  const link = linkOver(socket);
  socket.readyState = 2;
  link.send("too late");
  link.close(1000, "");
  expect([socket.calls, socket.sentMessages]).toEqual([["pause"], []]);
});

test("WsLink stays paused when it is handed on", () => {
  const socket = new FakeSocket();
  const link = linkOver(socket);
  new LinkEar(link);
  link.pause();
  new LinkEar(link);
  expect(socket.calls).toEqual(["pause", "resume", "pause"]);
});
