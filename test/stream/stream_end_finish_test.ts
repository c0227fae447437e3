import { expect, test } from "bun:test";
import { Fault } from "../../src/protocol/fault.ts";
import type { EndMessage } from "../../src/protocol/stream_message.ts";
import type { StreamEnd } from "../../src/stream/stream_end.ts";
import { WindowBudget } from "../../src/stream/window_budget.ts";
import { ack, bytes, KIB, listedEnd, type ListSink } from "./list_sink.ts";

const broken = new Fault("streamReset", "It broke off");

/** Nothing that comes after the last call makes anything happen. */
function isOver(end: StreamEnd, sink: ListSink): void {
  sink.news();
  end.localBytes(bytes(10));
  end.localEnd();
  end.localFailed(broken);
  end.delivered(0);
  end.linkReady(false);
  end.linkReady(true);
  end.peerBytes(bytes(10), 0);
  end.peerMessage(ack(99), 0);
  end.peerMessage({ type: "end", offset: 99 }, 0);
  end.peerMessage({ type: "reset", code: "internal", message: "x" }, 0);
  end.abandon(broken);
  expect(sink.news()).toEqual([]);
}

test("StreamEnd stays up after its own end, and answers come through", () => {
  const { end, sink } = listedEnd();
  end.localEnd();
  end.peerMessage(ack(1), 0);
  end.peerBytes(bytes(10), 0);
  expect(sink.news()).toEqual(["end 0", "deliver 10"]);
  end.peerMessage({ type: "end", offset: 10 }, 0);
  expect(sink.news()).toEqual([
    "endLocal",
    "ack 11 + 262144, complete",
    "finished cleanly",
  ]);
  isOver(end, sink);
});

test("StreamEnd stays up after the peer's end, and its program may go on", () => {
  const { end, sink } = listedEnd();
  end.peerMessage({ type: "end", offset: 0 }, 0);
  end.localBytes(bytes(10));
  end.peerMessage(ack(10), 0);
  expect(sink.news()).toEqual(["endLocal", "ack 1 + 262144", "send 10"]);
  end.localEnd();
  end.peerMessage(ack(11), 0);
  expect(sink.news())
    .toEqual(["end 10", "ack 1 + 262144, complete", "finished cleanly"]);
  isOver(end, sink);
});

test("StreamEnd is not finished before both ends are acknowledged", () => {
  const { end, sink } = listedEnd();
  sink.takes = false;
  end.localEnd();
  end.peerBytes(bytes(1), 0);
  end.peerMessage(ack(1), 0);
  end.peerMessage({ type: "end", offset: 1 }, 0);
  expect(sink.news()).toEqual(["end 0", "deliver 1"]);
  end.delivered(0);
  expect(sink.news()).toEqual([
    "endLocal",
    "ack 2 + 262144, complete",
    "finished cleanly",
  ]);
});

test("StreamEnd says that it is complete, unless the other end has said so", () => {
  const last: EndMessage = {
    ...{ type: "ack", offset: 1, window_bytes: 0 },
    complete: true,
  };
  for (const isHeard of [false, true]) {
    const { end, sink } = listedEnd();
    end.localEnd();
    end.peerMessage({ type: "end", offset: 0 }, 0);
    expect(sink.news()).toEqual(["end 0", "endLocal", "ack 1 + 262144"]);
    end.peerMessage(isHeard ? last : ack(1), 0);
    const said = isHeard ? [] : ["ack 1 + 262144, complete"];
    expect(sink.news()).toEqual([...said, "finished cleanly"]);
    expect(end.isPeerComplete).toBe(isHeard);
  }
});

test("StreamEnd believes no end that is complete too early", () => {
  const { end, sink } = listedEnd();
  end.localBytes(bytes(1));
  end.peerMessage(
    { type: "ack", offset: 0, window_bytes: 9, complete: true },
    0,
  );
  expect(sink.news()).toEqual(["send 1"]);
});

test("StreamEnd takes a reset for no end: the program is not told of one", () => {
  const { end, sink } = listedEnd();
  end.peerBytes(bytes(1), 0);
  sink.news();
  end.peerMessage({ type: "reset", code: "streamReset", message: "x" }, 0);
  expect(sink.news()).toEqual(["finished streamReset"]);
  isOver(end, sink);
});

test("StreamEnd makes what a reset says harmless", () => {
  const { end, sink } = listedEnd();
  let heard: Fault | undefined;
  sink.finished = (fault) => heard = fault;
  const message = `\u001b[2J${"é".repeat(600)}`;
  end.peerMessage({ type: "reset", code: "deviceOffline", message }, 0);
  expect([heard?.code, heard?.message])
    .toEqual(["deviceOffline", `?[2J${"é".repeat(507)}…`]);
});

test("StreamEnd tells the peer why its program failed, in a message that fits", () => {
  const { end, sink } = listedEnd();
  end.localBytes(bytes(1));
  end.localFailed(new Fault("streamReset", "x".repeat(600)));
  expect(sink.news()).toEqual([
    "send 1",
    `reset streamReset: ${"x".repeat(511)}…`,
    "finished streamReset",
  ]);
  isOver(end, sink);
});

test("StreamEnd is abandoned without a word", () => {
  const { end, sink } = listedEnd();
  end.localBytes(bytes(300 * KIB));
  sink.news();
  end.abandon(broken);
  expect(sink.news()).toEqual(["finished streamReset"]);
  isOver(end, sink);
});

test("StreamEnd gives its part of the budget back, whichever way it ends", () => {
  for (const way of ["cleanly", "reset", "failed", "abandoned"]) {
    const budget = new WindowBudget(1024 * KIB);
    const { end } = listedEnd(budget);
    fill(end);
    expect(budget.takenBytes).toBeGreaterThan(0);
    if (way === "cleanly") {
      end.localEnd();
      end.peerMessage(ack(1), 99);
      end.peerMessage({ type: "end", offset: end.counts.receivedBytes }, 99);
    } else if (way === "reset") {
      end.peerMessage({ type: "reset", code: "internal", message: "" }, 99);
    } else if (way === "failed") end.localFailed(broken);
    else end.abandon(broken);
    expect(budget.takenBytes).toBe(0);
  }
});

/** Uses the window up, so that it grows. */
function fill(end: StreamEnd): void {
  for (let ms = 0; ms < 20; ms++) end.peerBytes(bytes(64 * KIB), ms);
}
