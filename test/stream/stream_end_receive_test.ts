import { expect, test } from "bun:test";
import { Fault } from "../../src/protocol/fault.ts";
import type { StreamEnd } from "../../src/stream/stream_end.ts";
import { bytes, KIB, listedEnd } from "./list_sink.ts";

function refuses(end: StreamEnd, size: number, code: string): void {
  const before = end.counts;
  expect(() => end.peerBytes(bytes(size), 0)).toThrow(
    expect.objectContaining({ code }),
  );
  expect(end.counts).toEqual(before);
}

test("StreamEnd acknowledges a quarter of the window at a time", () => {
  const { end, sink } = listedEnd();
  end.peerBytes(bytes(64 * KIB - 1), 0);
  expect(sink.news()).toEqual(["deliver 65535"]);
  end.peerBytes(bytes(1), 0);
  expect(sink.news()).toEqual(["deliver 1", "ack 65536 + 262144"]);
  end.peerBytes(bytes(64 * KIB - 1), 0);
  expect(sink.news()).toEqual(["deliver 65535"]);
});

test("StreamEnd acknowledges whatever was taken a second after the last time", () => {
  const { end, sink } = listedEnd();
  end.peerBytes(bytes(1), 999);
  expect(sink.news()).toEqual(["deliver 1"]);
  end.peerBytes(bytes(1), 1_000);
  expect(sink.news()).toEqual(["deliver 1", "ack 2 + 262144"]);
  end.peerBytes(bytes(1), 1_999);
  end.delivered(5_000);
  end.delivered(9_000);
  expect(sink.news()).toEqual(["deliver 1", "ack 3 + 262144"]);
});

test("StreamEnd acknowledges nothing that the program has not taken", () => {
  const { end, sink } = listedEnd();
  sink.takes = false;
  for (let i = 0; i < 4; i++) end.peerBytes(bytes(64 * KIB), 0);
  expect(sink.news()).toEqual(Array(4).fill("deliver 65536"));
  refuses(end, 1, "creditExceeded");
  end.delivered(0);
  expect(sink.news()).toEqual(["ack 262144 + 262144"]);
});

test("StreamEnd waits for delivered() even if the program takes the next chunk", () => {
  const { end, sink } = listedEnd();
  sink.takes = false;
  end.peerBytes(bytes(64 * KIB), 0);
  sink.takes = true;
  end.peerBytes(bytes(64 * KIB), 0);
  expect(sink.news()).toEqual(["deliver 65536", "deliver 65536"]);
  end.delivered(0);
  expect(sink.news()).toEqual(["ack 131072 + 262144"]);
});

test("StreamEnd takes bytes up to its window and refuses one more", () => {
  const { end, sink } = listedEnd();
  sink.takes = false;
  for (let i = 0; i < 3; i++) end.peerBytes(bytes(64 * KIB), 0);
  refuses(end, 64 * KIB + 1, "messageTooLarge");
  end.peerBytes(bytes(64 * KIB - 1), 0);
  refuses(end, 2, "creditExceeded");
  end.peerBytes(bytes(1), 0);
  refuses(end, 1, "creditExceeded");
});

test("StreamEnd takes a message of 64 KiB and refuses one byte more", () => {
  const { end } = listedEnd();
  end.peerBytes(bytes(64 * KIB), 0);
  refuses(end, 64 * KIB + 1, "messageTooLarge");
});

test("StreamEnd gives the program no empty chunk, which no credit would bound", () => {
  const { end, sink } = listedEnd();
  sink.takes = false;
  for (let i = 0; i < 1_000; i++) end.peerBytes(bytes(0), 0);
  end.peerBytes(bytes(1), 0);
  for (let i = 0; i < 1_000; i++) end.peerBytes(bytes(0), 0);
  expect(sink.news()).toEqual(["deliver 1"]);
});

test("StreamEnd ends the program's input and acknowledges the end as one more", () => {
  const { end, sink } = listedEnd();
  end.peerBytes(bytes(5), 0);
  end.peerMessage({ type: "end", offset: 5 }, 0);
  expect(sink.news()).toEqual(["deliver 5", "endLocal", "ack 6 + 262144"]);
});

test("StreamEnd ends the program's input only when all before is taken", () => {
  // After its end nobody is told of a drain any more: the stream would hang.
  const { end, sink } = listedEnd();
  sink.takes = false;
  end.peerBytes(bytes(5), 0);
  end.peerMessage({ type: "end", offset: 5 }, 0);
  expect(sink.news()).toEqual(["deliver 5"]);
  end.delivered(0);
  expect(sink.news()).toEqual(["endLocal", "ack 6 + 262144"]);
  end.delivered(0);
  expect(sink.news()).toEqual([]);
});

test("StreamEnd acknowledges no end to a peer whose end broke the program", () => {
  const { end, sink } = listedEnd();
  sink.endLocal = () => end.abandon(fault());
  end.peerMessage({ type: "end", offset: 0 }, 0);
  expect(sink.news()).toEqual(["finished streamReset"]);
});

test("StreamEnd refuses bytes after the end", () => {
  const { end } = listedEnd();
  end.peerMessage({ type: "end", offset: 0 }, 0);
  refuses(end, 1, "messageUnexpected");
  refuses(end, 0, "messageUnexpected");
});

test("StreamEnd refuses a second end, and one that is not where the bytes are", () => {
  const { end } = listedEnd();
  end.peerBytes(bytes(5), 0);
  for (const offset of [4, 6, 0]) {
    expect(() => end.peerMessage({ type: "end", offset }, 0)).toThrow(
      expect.objectContaining({ code: "messageInvalid" }),
    );
  }
  end.peerMessage({ type: "end", offset: 5 }, 0);
  expect(() => end.peerMessage({ type: "end", offset: 5 }, 0)).toThrow(
    expect.objectContaining({ code: "messageUnexpected" }),
  );
});

function fault(): Fault {
  return new Fault("streamReset", "It broke off");
}
