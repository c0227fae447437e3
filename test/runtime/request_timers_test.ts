import { afterEach, beforeEach, expect, jest, test } from "bun:test";
import { EventEmitter } from "node:events";
import type { Socket } from "node:net";
import { RequestTimers } from "../../src/runtime/request_timers.ts";

const TIMEOUT_MS = 10_000;

class FakeSocket extends EventEmitter {
  destroyed = false;

  destroy(): void {
    this.destroyed = true;
    this.emit("close");
  }
}

function socketAndTimers() {
  const socket = new FakeSocket();
  const timers = new RequestTimers(TIMEOUT_MS);
  return { socket, timers, asSocket: socket as unknown as Socket };
}

beforeEach(() => void jest.useFakeTimers());
afterEach(() => void jest.useRealTimers());

test("RequestTimers cut a connection on which no request comes", () => {
  const { socket, timers, asSocket } = socketAndTimers();
  timers.start(asSocket);
  jest.advanceTimersByTime(TIMEOUT_MS - 1);
  expect(socket.destroyed).toBe(false);
  jest.advanceTimersByTime(1);
  expect(socket.destroyed).toBe(true);
});

test("RequestTimers leave a connection alone while its request is answered", () => {
  const { socket, timers, asSocket } = socketAndTimers();
  timers.start(asSocket);
  timers.stop(asSocket);
  jest.advanceTimersByTime(10 * TIMEOUT_MS);
  expect(socket.destroyed).toBe(false);
  // Then it waits for the next one.
  timers.start(asSocket);
  jest.advanceTimersByTime(TIMEOUT_MS);
  expect(socket.destroyed).toBe(true);
});

test("RequestTimers add one listener, however many requests come", () => {
  const { socket, timers, asSocket } = socketAndTimers();
  for (let i = 0; i < 50; i++) {
    timers.start(asSocket);
    timers.stop(asSocket);
  }
  expect(socket.listenerCount("close")).toBe(1);
});

test("RequestTimers forget a connection that has gone", () => {
  const { socket, timers, asSocket } = socketAndTimers();
  timers.start(asSocket);
  socket.destroy();
  timers.start(asSocket);
  expect(jest.getTimerCount()).toBe(0);
});
