import { expect, test } from "bun:test";
import { ack, bytes, KIB, listedEnd } from "./list_sink.ts";

test("StreamEnd sends what the program writes at once, in messages of 64 KiB", () => {
  const { end, sink } = listedEnd();
  end.localBytes(bytes(1));
  end.localBytes(bytes(64 * KIB));
  end.localBytes(bytes(64 * KIB + 1));
  expect(sink.news()).toEqual(["send 1", "send 65536", "send 65536", "send 1"]);
  expect(end.counts.sentBytes).toBe(128 * KIB + 2);
});

test("StreamEnd sends no empty message", () => {
  const { end, sink } = listedEnd();
  end.localBytes(bytes(0));
  end.linkReady(false);
  end.localBytes(bytes(0));
  end.localEnd();
  end.linkReady(true);
  expect(sink.news()).toEqual(["end 0"]);
});

test("StreamEnd never sends beyond its credit: it pauses the program, and lives", () => {
  const { end, sink } = listedEnd();
  end.localBytes(bytes(256 * KIB + 10));
  expect(sink.news()).toEqual([
    ...Array(4).fill("send 65536"),
    "pauseLocal",
  ]);
  // What a program had under way when it was paused waits with the rest.
  end.localBytes(bytes(5));
  end.peerMessage(ack(0), 0);
  expect(sink.news()).toEqual([]);
  expect(end.counts.sentBytes).toBe(256 * KIB);

  end.peerMessage(ack(4), 0);
  expect(sink.news()).toEqual(["send 4"]);
  end.peerMessage(ack(256 * KIB), 0);
  expect(sink.news()).toEqual(["send 6", "send 5", "resumeLocal"]);
});

test("StreamEnd keeps the credit that it was given when a window shrinks", () => {
  const { end, sink } = listedEnd();
  end.peerMessage(ack(0, 0), 0);
  end.localBytes(bytes(10));
  expect(sink.news()).toEqual(["send 10"]);
});

test("StreamEnd holds back, and pauses the program, while the link is not ready", () => {
  const { end, sink } = listedEnd();
  end.linkReady(false);
  expect(sink.news()).toEqual([]);
  end.localBytes(bytes(10));
  expect(sink.news()).toEqual(["pauseLocal"]);
  end.linkReady(true);
  expect(sink.news()).toEqual(["send 10", "resumeLocal"]);
});

test("StreamEnd may be told in sendBytes() that the link is full", () => {
  const { end, sink } = listedEnd();
  const sendBytes = sink.sendBytes.bind(sink);
  sink.sendBytes = (chunk) => {
    sendBytes(chunk);
    end.linkReady(false);
  };
  end.localBytes(bytes(128 * KIB));
  end.localEnd();
  expect(sink.news()).toEqual(["send 65536", "pauseLocal"]);
  end.linkReady(true);
  expect(sink.news()).toEqual(["send 65536", "end 131072", "resumeLocal"]);
});

test("StreamEnd says the end after the bytes that still wait for credit", () => {
  const { end, sink } = listedEnd();
  end.localBytes(bytes(256 * KIB + 3));
  end.localEnd();
  sink.news();
  end.localBytes(bytes(9)); // After its end a program says nothing.
  end.peerMessage(ack(256 * KIB), 0);
  expect(sink.news()).toEqual(["send 3", "end 262147", "resumeLocal"]);
});

test("StreamEnd says its end once, and needs no credit for it", () => {
  const { end, sink } = listedEnd();
  end.localBytes(bytes(256 * KIB));
  end.localEnd();
  end.localEnd();
  expect(sink.news()).toEqual([...Array(4).fill("send 65536"), "end 262144"]);
});

test("StreamEnd takes an acknowledgement of its end, which counts as one", () => {
  const { end, sink } = listedEnd();
  end.localBytes(bytes(5));
  end.localEnd();
  end.peerMessage(ack(5), 0);
  end.peerMessage({ type: "end", offset: 0 }, 0);
  expect(sink.news()).toEqual([
    "send 5",
    "end 5",
    "endLocal",
    "ack 1 + 262144",
  ]);
  end.peerMessage(ack(6), 0);
  expect(sink.news())
    .toEqual(["ack 1 + 262144, complete", "finished cleanly"]);
});

test("StreamEnd refuses an acknowledgement of what it has not sent", () => {
  for (
    const [sent, ended, offset] of [[0, false, 1], [5, false, 6], [
      5,
      true,
      7,
    ]] as const
  ) {
    const { end } = listedEnd();
    end.localBytes(bytes(sent));
    if (ended) end.localEnd();
    expect(() => end.peerMessage(ack(offset), 0)).toThrow(
      expect.objectContaining({ code: "messageInvalid" }),
    );
  }
});

test("StreamEnd refuses an acknowledgement that goes back", () => {
  const { end } = listedEnd();
  end.localBytes(bytes(5));
  end.peerMessage(ack(3), 0);
  end.peerMessage(ack(3), 0);
  expect(() => end.peerMessage(ack(2), 0)).toThrow(
    expect.objectContaining({ code: "messageInvalid" }),
  );
});
