import { expect, test } from "bun:test";
import { StreamEnd } from "../../src/stream/stream_end.ts";
import { WindowBudget } from "../../src/stream/window_budget.ts";
import { KIB, ListSink } from "./list_sink.ts";

const MIB = 1024 * KIB;

test("StreamEnd acknowledges a quarter of the window that it said, not of the one it has grown to", () => {
  const sink = new ListSink();
  const end = new StreamEnd(sink, new WindowBudget(64 * MIB));
  // The fifth message is beyond the first window, and proves it too small.
  for (let i = 0; i < 5; i++) end.peerBytes(new Uint8Array(64 * KIB), 10 * i);
  const acks = sink.news().filter((call) => call.startsWith("ack"));
  const said = [64, 128, 192, 256].map((at) =>
    `ack ${at * KIB} + ${256 * KIB}`
  );
  expect(acks).toEqual([...said, `ack ${320 * KIB} + ${1 * MIB}`]);
});
