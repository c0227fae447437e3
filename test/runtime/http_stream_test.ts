import { expect, test } from "bun:test";
import { HttpStream } from "../../src/runtime/http_stream.ts";
import type { RawSocket, SocketOwner } from "../../src/runtime/raw_socket.ts";
import { eventually } from "../support/eventually.ts";

/** A connection that takes so many bytes, and notes what is done to it. */
class FakeSocket {
  readonly remoteAddress = "::ffff:192.0.2.7";
  data: SocketOwner | undefined;
  roomBytes = Infinity;
  written = "";
  readonly calls: string[] = [];

  write(chunk: Uint8Array): number {
    const taken = chunk.subarray(0, this.roomBytes);
    this.roomBytes -= taken.length;
    this.written += String(Buffer.from(taken));
    return taken.length;
  }

  pause = () => void this.calls.push("pause");
  resume = () => void this.calls.push("resume");
  shutdown = () => void this.calls.push("shutdown");
  end = () => void this.calls.push("end");
}

function open() {
  const socket = new FakeSocket();
  const stream = new HttpStream(socket as unknown as RawSocket, undefined);
  return { socket, stream };
}

test("HttpStream names its peer, and hears its connection", () => {
  const { socket, stream } = open();
  expect([stream.remoteAddress, socket.data]).toEqual(["192.0.2.7", stream]);
});

test("HttpStream waits where the kernel has stopped to take", async () => {
  const { socket, stream } = open();
  socket.roomBytes = 3;
  const written: string[] = [];
  stream.write("first ", () => written.push("first"));
  stream.write("second", () => written.push("second"));
  expect([socket.written, written]).toEqual(["fir", []]);
  socket.roomBytes = 5;
  stream.drained();
  await eventually("the first", () => written.length === 1);
  expect(socket.written).toBe("first se");
  socket.roomBytes = Infinity;
  stream.drained();
  await eventually("the second", () => written.length === 2);
  expect(socket.written).toBe("first second");
});

test("HttpStream stops reading while nobody takes what came", () => {
  const { socket, stream } = open();
  while (!socket.calls.includes("pause")) stream.received(Buffer.alloc(4_096));
  socket.calls.length = 0;
  while (stream.read() !== null);
  expect(socket.calls).toContain("resume");
});

test("HttpStream passes on the end of each direction, and its own", async () => {
  const { socket, stream } = open();
  let hasEnded = false;
  stream.on("end", () => hasEnded = true);
  stream.resume();
  stream.peerEnded();
  await eventually("the end", () => hasEnded);
  socket.calls.length = 0;
  stream.end("bye");
  await eventually("a close", () => stream.closed);
  expect([socket.written, socket.calls]).toEqual(["bye", ["shutdown", "end"]]);
});

test("HttpStream leaves a connection alone that somebody else has taken", async () => {
  const { socket, stream } = open();
  socket.data = undefined;
  stream.write("late");
  stream.destroy();
  await eventually("a close", () => stream.closed);
  expect([socket.written, socket.calls]).toEqual(["", []]);
});

test("HttpStream is closed, and no error unheard, when its peer resets it", async () => {
  const { stream } = open();
  stream.gone(new Error("read ECONNRESET"));
  await eventually("a close", () => stream.closed);
  expect(stream.errored?.message).toBe("read ECONNRESET");
});
