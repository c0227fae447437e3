import { expect, test } from "bun:test";
import { Fault } from "../../src/protocol/fault.ts";
import { ack, bytes, KIB, listedEnd } from "./list_sink.ts";

const RESET = new Fault("streamReset", "It broke off");

/** An end that has sent 10 bytes and its end, and has lost its link. */
function detached() {
  const { end, sink } = listedEnd();
  end.localBytes(bytes(10));
  end.localEnd();
  end.linkLost();
  sink.news();
  return { end, sink };
}

test("StreamEnd says nothing without a link, and stops its program after one chunk", () => {
  const { end, sink } = listedEnd();
  end.peerBytes(bytes(64 * KIB), 0);
  sink.news();
  end.linkLost();
  end.delivered(0);
  end.localBytes(bytes(5));
  end.linkReady(true);
  expect(sink.news()).toEqual(["pauseLocal"]);
  end.linkBack(0, 0);
  expect(sink.news())
    .toEqual(["ack 65536 + 262144", "send 5", "resumeLocal"]);
});

test("StreamEnd says its end once more if that was lost, and only then", () => {
  const lost = detached();
  lost.end.linkBack(10, 0);
  expect(lost.sink.news()).toEqual(["ack 0 + 262144", "end 10"]);
  const heard = detached();
  heard.end.linkBack(11, 0);
  expect(heard.sink.news()).toEqual(["ack 0 + 262144"]);
  const part = detached();
  part.end.linkBack(7, 0);
  expect(part.sink.news()).toEqual(["ack 0 + 262144", "send 3", "end 10"]);
});

test("StreamEnd says an end of its program that came without a link", () => {
  const { end, sink } = listedEnd();
  end.linkLost();
  end.localEnd();
  expect(sink.news()).toEqual([]);
  end.linkBack(0, 0);
  expect(sink.news()).toEqual(["ack 0 + 262144", "end 0"]);
});

test("StreamEnd lets neither end nor fresh bytes overtake what it sends once more", () => {
  const { end, sink } = listedEnd();
  end.localBytes(bytes(128 * KIB));
  end.linkLost();
  end.localBytes(bytes(1));
  end.localEnd();
  sink.news();
  const sendBytes = sink.sendBytes.bind(sink);
  sink.sendBytes = (chunk) => {
    sendBytes(chunk);
    end.linkReady(false);
    end.linkReady(true);
  };
  end.linkBack(0, 0);
  expect(sink.news()).toEqual([
    ...["ack 0 + 262144", "send 65536", "send 65536", "send 1"],
    ...["end 131073", "resumeLocal"],
  ]);
});

test("StreamEnd acknowledges an end once more, and tells its program once", () => {
  const { end, sink } = listedEnd();
  end.peerBytes(bytes(3), 0);
  end.peerMessage({ type: "end", offset: 3 }, 0);
  expect(sink.news()).toEqual(["deliver 3", "endLocal", "ack 4 + 262144"]);
  end.linkLost();
  expect(end.resumeOffset).toBe(4);
  end.linkBack(0, 0);
  expect(sink.news()).toEqual(["ack 4 + 262144"]);
});

test("StreamEnd tells its program of an end when the link is back, if it took all meanwhile", () => {
  const { end, sink } = listedEnd();
  sink.takes = false;
  end.peerBytes(bytes(3), 0);
  end.peerMessage({ type: "end", offset: 3 }, 0);
  end.linkLost();
  end.delivered(0);
  expect([sink.news(), end.resumeOffset]).toEqual([["deliver 3"], 4]);
  end.linkBack(0, 0);
  expect(sink.news())
    .toEqual(["ack 3 + 262144", "endLocal", "ack 4 + 262144"]);
});

test("StreamEnd resumes between what was acknowledged and what was sent, and nowhere else", () => {
  for (
    const [offset, isGood] of [[3, false], [4, true], [11, true], [
      12,
      false,
    ]] as const
  ) {
    const { end, sink } = listedEnd();
    end.localBytes(bytes(10));
    end.localEnd();
    end.peerMessage(ack(4), 0);
    end.linkLost();
    sink.news();
    if (isGood) {
      end.linkBack(offset, 0);
      continue;
    }
    expect(() => end.linkBack(offset, 0))
      .toThrow("Cannot resume at an offset not sent");
    // And the other end can be told.
    end.localFailed(new Fault("messageInvalid", "No"));
    expect(sink.news())
      .toEqual(["reset messageInvalid: No", "finished messageInvalid"]);
  }
});

test("StreamEnd tells a failure without a link once there is one, the first of them", () => {
  const { end, sink } = detached();
  end.localFailed(RESET);
  end.localFailed(new Fault("internal", "Later"));
  expect(sink.news()).toEqual([]);
  end.linkBack(0, 0);
  expect(sink.news())
    .toEqual(["reset streamReset: It broke off", "finished streamReset"]);
});

test("StreamEnd is complete by a goodbye only if all was sent and delivered", () => {
  const complete = detached();
  complete.end.linkBack(0, 0);
  complete.end.peerMessage({ type: "end", offset: 0 }, 0);
  complete.end.linkLost();
  complete.sink.news();
  complete.end.peerFinished();
  expect(complete.sink.news()).toEqual(["finished cleanly"]);

  const unheard = detached();
  unheard.end.peerFinished();
  expect(unheard.sink.news()).toEqual(["finished linkLost"]);

  const { end, sink } = listedEnd();
  end.peerMessage({ type: "end", offset: 0 }, 0);
  end.linkLost();
  sink.news();
  end.peerFinished();
  expect(sink.news()).toEqual(["finished linkLost"]);
});

test("StreamEnd that failed without a link is not complete by a goodbye", () => {
  const { end, sink } = detached();
  end.localFailed(RESET);
  end.peerFinished();
  expect(sink.news()).toEqual(["finished streamReset"]);
});

test("StreamEnd hears nothing of links once it has finished", () => {
  const { end, sink } = detached();
  end.abandon(RESET);
  expect([sink.news(), end.counts.replayBytes])
    .toEqual([["finished streamReset"], 0]);
  end.linkLost();
  end.linkBack(99, 0);
  end.peerFinished();
  expect(sink.news()).toEqual([]);
});
