import { expect, test } from "bun:test";
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

test("MessageReader hands out messages as they come, those from before first", async () => {
  const { reader, link, peer, heardCount } = readerAndPeer();
  const taken: unknown[] = [];
  for (let i = 0; i < 40; i++) peer.send(String(i));
  await settle();
  expect(link.isPaused).toBe(true);
  const end = rejection(reader.each((message) => taken.push(message), NEVER));
  await settle();
  expect(link.isPaused).toBe(false);
  peer.send("last");
  await settle();
  expect(taken).toEqual([...Array(40).keys()].map(String).concat("last"));
  expect(heardCount()).toBe(41);
  peer.close(4003, "The agent has gone");
  expect(await end).toMatchObject({ code: "peerGone" });
  expect(abortListenerCount(NEVER)).toBe(0);
});

test("MessageReader hands out nothing after an error of who takes", async () => {
  const { reader, peer } = readerAndPeer();
  const taken: unknown[] = [];
  peer.send("first");
  peer.send("second");
  await settle();
  const wrong = new Error("Cannot take it");
  const end = rejection(reader.each((message) => {
    taken.push(message);
    if (message !== "first") throw wrong;
  }, NEVER));
  expect(await end).toBe(wrong);
  peer.send("third");
  await settle();
  expect(taken).toEqual(["first", "second"]);
  expect(await reader.next(NEVER)).toBe("third");
});

test("MessageReader stops to hand out when it is told to, and at the link's end", async () => {
  const { reader, peer } = readerAndPeer();
  const taken: unknown[] = [];
  const stop = new AbortController();
  const stopped = new Error("Told to stop");
  const end = rejection(reader.each((text) => taken.push(text), stop.signal));
  stop.abort(stopped);
  expect(await end).toBe(stopped);
  const again = reader.each((text) => taken.push(text), stop.signal);
  expect(await rejection(again)).toBe(stopped);
  peer.send("last words");
  peer.terminate();
  await settle();
  expect(taken).toEqual([]);
  const late = reader.each((text) => taken.push(text), NEVER);
  expect(await rejection(late)).toMatchObject({ code: "linkLost" });
  expect(taken).toEqual(["last words"]);
});
