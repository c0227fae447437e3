import { expect, test } from "bun:test";
import { Fault } from "../../src/protocol/fault.ts";
import { settle } from "../support/manual_clock.ts";
import { joinedEnd, type ReturnBench } from "./return_bench.ts";

const LAST_WORD = '{"type":"ack","offset":3,"window_bytes":0,"complete":true}';

/** An end that is complete, and whose goodbye was lost with its link. */
async function unheardEnd(detachMs?: number): Promise<ReturnBench> {
  const bench = await joinedEnd(0.5, detachMs);
  bench.side.socket.say("abc");
  bench.side.socket.sayEnd();
  await bench.say(new Uint8Array(2), { type: "end", offset: 2 });
  // What it says to this is lost: its `ack`, and 1000.
  bench.peer.send('{"type":"ack","offset":4,"window_bytes":1000}');
  bench.side.first.wire.cutAt(bench.side.first.wire.arrivedCount + 1);
  await settle();
  return bench;
}

test("an end whose goodbye was lost says its last word once more, and is done", async () => {
  const bench = await unheardEnd();
  expect([bench.side.ending, bench.side.dials.length, bench.side.news])
    .toEqual(["not yet", 1, []]);
  await bench.rejoin(3);
  expect(bench.heard).toEqual(['{"type":"resume","offset":3}', LAST_WORD]);
  expect(bench.side.ending).toBe("not yet");
  await bench.lose(1000);
  expect([bench.side.ending, bench.ends.at(-1)]).toEqual(["cleanly", 1000]);
  expect(bench.side.result)
    .toEqual({ sentBytes: 3, receivedBytes: 2, fault: undefined });
  bench.expectReleased();
});

test("an end that lingers takes no notice of what it has already", async () => {
  const bench = await unheardEnd();
  await bench.accept();
  await bench.join(2);
  bench.peer.send('{"type":"resume","offset":0}');
  bench.peer.send('{"type":"ack","offset":4,"window_bytes":0}');
  bench.peer.send(new Uint8Array(2));
  await bench.say({ type: "end", offset: 2 });
  expect(bench.heard.at(-1)).toBe(LAST_WORD);
  expect([bench.side.ending, bench.side.dials.length]).toEqual(["not yet", 1]);
  await bench.lose(1000);
  expect(bench.side.ending).toBe("cleanly");
  bench.expectReleased();
});

test("two ends that linger part when each has heard the other's last word", async () => {
  const bench = await unheardEnd();
  await bench.rejoin(3);
  await bench.say({ type: "ack", offset: 4, window_bytes: 0, complete: true });
  expect([bench.side.ending, bench.ends.at(-1)]).toEqual(["cleanly", 1000]);
  bench.expectReleased();
});

test("an end that lingers is done when the gateway knows of the goodbye", async () => {
  const bench = await unheardEnd();
  await bench.accept();
  await bench.lose(1000);
  expect(bench.side.ending).toBe("cleanly");
  bench.expectReleased();
});

test("an end whose goodbye was heard does not linger", async () => {
  const bench = await joinedEnd();
  bench.side.socket.sayEnd();
  await bench.say({ type: "end", offset: 0 });
  await bench.say({ type: "ack", offset: 1, window_bytes: 0 });
  await bench.lose(1000);
  expect([bench.side.ending, bench.side.dials.length]).toEqual(["cleanly", 0]);
  bench.expectReleased();
});

test("an end that lingers stays no longer than the detach time", async () => {
  const bench = await unheardEnd(7_000);
  bench.side.dialed = (dial) =>
    dial.fail(new Fault("gatewayUnreachable", "Nobody is there"));
  bench.side.lastDial.fail(new Fault("gatewayUnreachable", "Nobody is there"));
  await bench.clock.advance(6_999);
  expect(bench.side.ending).toBe("not yet");
  expect(bench.side.dials.length).toBeGreaterThan(5);
  await bench.clock.advance(1);
  expect(bench.side.ending).toBe("cleanly");
  bench.expectReleased();
});

test("an end that lingers says its last word so often, and no more", async () => {
  const bench = await unheardEnd();
  for (let count = 1; count <= 8; count++) {
    await bench.accept();
    await bench.join(count + 1);
    // The other end gets nothing of what follows.
    bench.side.lastDial.links.wire.cutAt(
      bench.side.lastDial.links.wire.arrivedCount + 1,
    );
    await bench.say({ type: "resume", offset: 3 });
    await bench.clock.advance(2_000);
    expect(bench.side.dials.length).toBe(Math.min(8, count + 1));
  }
  expect(bench.side.ending).toBe("cleanly");
  bench.expectReleased();
});

test("an end that lingers stops at once when it is told to, or it is no use", async () => {
  const stops: ((bench: ReturnBench) => unknown)[] = [
    ({ side }) => side.stop.abort(new Fault("agentStopping", "It stops")),
    async (bench) => {
      await bench.accept();
      await bench.join(2);
      bench.side.stop.abort(new Fault("agentStopping", "It stops"));
    },
    ({ side }) =>
      side.lastDial.fail(new Fault("ticketInvalid", "Another key signs")),
    (bench) => bench.accept().then(() => bench.lose(4000)),
    (bench) => bench.rejoin(5),
    (bench) => bench.accept().then(() => bench.say(new Uint8Array(1))),
  ];
  for (const stop of stops) {
    const bench = await unheardEnd();
    await stop(bench);
    await settle();
    expect([stops.indexOf(stop), bench.side.ending])
      .toEqual([stops.indexOf(stop), "cleanly"]);
    bench.expectReleased();
  }
});
