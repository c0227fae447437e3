import { expect, test } from "bun:test";
import type { LinkHandlers } from "../../src/transport/link.ts";
import { MessageReader } from "../../src/transport/message_reader.ts";
import { abortListenerCount } from "../support/leak_check.ts";
import { settle } from "../support/manual_clock.ts";
import { type MemoryLink, memoryLinks } from "../support/memory_link.ts";
import { rejection } from "../support/rejection.ts";

const NEVER = new AbortController().signal;

function readerAndPeer(): {
  readonly reader: MessageReader;
  readonly link: MemoryLink;
  readonly peer: MemoryLink;
  readonly heardCount: () => number;
} {
  const { near: link, far: peer } = memoryLinks();
  peer.handle({ message() {}, drain() {}, closed() {} });
  let count = 0;
  const reader = new MessageReader(link, () => count++);
  return { reader, link, peer, heardCount: () => count };
}

test("MessageReader gives messages in order, those that came before too", async () => {
  const { reader, peer, heardCount } = readerAndPeer();
  peer.send("first");
  peer.send(Uint8Array.of(2));
  await settle();
  expect(heardCount()).toBe(2);
  expect(await reader.next(NEVER)).toBe("first");
  expect(await reader.next(NEVER)).toEqual(Uint8Array.of(2));
  const third = reader.next(NEVER);
  peer.send("third");
  expect(await third).toBe("third");
});

test("MessageReader gives an empty message as one", async () => {
  const { reader, peer } = readerAndPeer();
  peer.send("");
  expect(await reader.next(NEVER)).toBe("");
});

test("MessageReader gives what came before the end, then the end, each time", async () => {
  const { reader, peer } = readerAndPeer();
  peer.send("last words");
  peer.close(4003, "The agent has gone");
  await settle();
  expect(await reader.next(NEVER)).toBe("last words");
  for (let i = 0; i < 2; i++) {
    expect(await rejection(reader.next(NEVER))).toMatchObject({
      code: "peerGone",
      message: "The agent has gone",
    });
  }
});

test("MessageReader tells who waits that the link has ended", async () => {
  const { reader, peer } = readerAndPeer();
  const next = rejection(reader.next(NEVER));
  await settle();
  peer.terminate();
  expect(await next).toMatchObject({ code: "linkLost" });
});

test("MessageReader stops waiting at once when it is told to, and loses nothing", async () => {
  const { reader, peer } = readerAndPeer();
  const stop = new AbortController();
  const stopped = new Error("Told to stop");
  const next = rejection(reader.next(stop.signal));
  stop.abort(stopped);
  expect(await next).toBe(stopped);
  expect(await rejection(reader.next(stop.signal))).toBe(stopped);
  peer.send("still there");
  expect(await reader.next(NEVER)).toBe("still there");
  expect(abortListenerCount(NEVER)).toBe(0);
});

test("MessageReader pauses a peer that talks faster than we read", async () => {
  const { reader, link, peer, heardCount } = readerAndPeer();
  for (let i = 0; i < 100; i++) peer.send(String(i));
  await settle();
  expect(link.isPaused).toBe(true);
  // 32 are here, the others wait on the way.
  for (let i = 0; i < 31; i++) await reader.next(NEVER);
  await settle();
  expect([link.isPaused, heardCount()]).toEqual([true, 32]);
  for (let i = 31; i < 100; i++) {
    expect(await reader.next(NEVER)).toBe(String(i));
  }
  expect(link.isPaused).toBe(false);
});

test("MessageReader hears of a message when it comes, not when it is read", async () => {
  const { peer, heardCount } = readerAndPeer();
  for (let i = 0; i < 100; i++) peer.send(String(i));
  await settle();
  expect(heardCount()).toBe(32);
});

/** What a link tells who has taken it over from a reader. */
function recorder(): { readonly events: unknown[] } & LinkHandlers {
  const events: unknown[] = [];
  return {
    events,
    message: (message) => void events.push(message),
    drain: () => void events.push("drain"),
    closed: ({ code }) => void events.push(code),
  };
}

test("MessageReader hands the link over with what it has not read, nothing lost or turned", async () => {
  const { reader, link, peer, heardCount } = readerAndPeer();
  for (let i = 0; i < 40; i++) peer.send(String(i));
  await settle();
  expect(await reader.next(NEVER)).toBe("0");
  expect(link.isPaused).toBe(true);
  const taker = recorder();
  reader.handOver(taker);
  expect(taker.events).toEqual([...Array(32).keys()].slice(1).map(String));
  await settle();
  expect(link.isPaused).toBe(false);
  peer.send("last");
  peer.close(4003, "The agent has gone");
  await settle();
  const all = [...Array(40).keys()].slice(1).map(String);
  expect(taker.events).toEqual([...all, "last", 4003]);
  expect(heardCount()).toBe(32);
});

test("MessageReader hands over what was said before the end, and the end", async () => {
  const { reader, peer } = readerAndPeer();
  peer.send("last words");
  await settle();
  peer.terminate();
  await settle();
  const taker = recorder();
  reader.handOver(taker);
  expect(taker.events).toEqual(["last words", 1006]);
});
