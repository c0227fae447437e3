import { expect, test } from "bun:test";
import type { Link } from "../../src/transport/link.ts";
import { faultOfEnd } from "../../src/transport/link_end.ts";
import { eventually, quiet } from "../support/eventually.ts";
import { LinkEar, plainMessages } from "./link_ear.ts";

/** Two ends of one link, freshly made: nobody handles them yet. */
export interface LinkPair extends AsyncDisposable {
  readonly near: Link;
  readonly far: Link;
}

export type OpenPair = () => Promise<LinkPair>;

const MESSAGE_MAX_BYTES = 64 * 1024;
const FLOOD_COUNT = 400;
/** What a paused link may still deliver: what it had read before. */
const AFTER_PAUSE_MAX_BYTES = 1024 * 1024;

/** Tests what every {@linkcode Link} promises. */
export function testLinkContract(name: string, open: OpenPair): void {
  testMessages(name, open);
  testPings(name, open);
  testHandlers(name, open);
  testPauses(name, open);
  testCloses(name, open);
  testBreaks(name, open);
}

function testMessages(name: string, open: OpenPair): void {
  test(`${name} keeps messages in order, and texts apart from bytes, both ways`, async () => {
    await using pair = await open();
    const ears = [new LinkEar(pair.near), new LinkEar(pair.far)];
    const said = Array.from(
      { length: 1_000 },
      (_, i) => i % 3 === 0 ? `téxt ${i} 教🖥` : Uint8Array.of(i, i >> 8),
    );
    said.push("", new Uint8Array(0), "\u0000\u2028");
    for (const message of said) {
      pair.near.send(message);
      pair.far.send(message);
    }
    for (const ear of ears) {
      await ear.heard(said.length);
      expect(plainMessages(ear.messages)).toEqual(plainMessages(said));
    }
  });

  test(`${name} hands out bytes that stay as they are`, async () => {
    await using pair = await open();
    const ear = new LinkEar(pair.far);
    new LinkEar(pair.near);
    for (let i = 0; i < 200; i++) pair.near.send(new Uint8Array(1_000).fill(i));
    // Whoever hears a chunk may keep it: later ones are no longer in its place.
    await ear.heard(200);
    const mixed = ear.messages.filter((message) =>
      new Set(message as Uint8Array).size > 1
    );
    expect(mixed).toEqual([]);
    const firsts = ear.messages.map((message) => message[0]);
    expect(firsts).toEqual(Array.from({ length: 200 }, (_, i) => i));
  });

  test(`${name} carries a message of 64 KiB`, async () => {
    await using pair = await open();
    const ears = [new LinkEar(pair.near), new LinkEar(pair.far)];
    pair.near.send(new Uint8Array(MESSAGE_MAX_BYTES));
    pair.far.send("x".repeat(MESSAGE_MAX_BYTES));
    for (const ear of ears) {
      await ear.heard(1);
      expect(ear.receivedBytes).toBe(MESSAGE_MAX_BYTES);
    }
  });

  test(`${name} knows where the other end is`, async () => {
    await using pair = await open();
    expect(pair.near.remoteAddress).not.toBe("");
    expect(pair.far.remoteAddress).not.toBe("");
  });
}

function testPings(name: string, open: OpenPair): void {
  test(`${name} tells both sides of a ping, and drops one after its end`, async () => {
    await using pair = await open();
    const [near, far] = [new LinkEar(pair.near), new LinkEar(pair.far)];
    pair.near.ping();
    await eventually("a ping", () => far.aliveCount > 0);
    await eventually("its pong", () => near.aliveCount > 0);
    pair.near.close(1000, "");
    await near.ended();
    pair.near.ping();
    expect(near.messages).toEqual([]);
  });
}

function testHandlers(name: string, open: OpenPair): void {
  test(`${name} keeps what came before handle(), the end too`, async () => {
    await using pair = await open();
    const far = new LinkEar(pair.far);
    const said = Array.from({ length: 50 }, (_, i) => String(i));
    for (const message of said) pair.far.send(message);
    pair.far.close(4003, "Gone");
    await quiet(() => far.ends.length);
    const near = new LinkEar(pair.near);
    expect(await near.ended()).toEqual({ code: 4003, reason: "Gone" });
    expect(near.messages).toEqual(said);
    expect(await far.ended()).toEqual({ code: 4003, reason: "Gone" });
  });

  test(`${name} loses nothing when it is handed on in the middle`, async () => {
    await using pair = await open();
    const second = new LinkEar();
    const first = new LinkEar();
    first.message = (message) => {
      first.messages.push(message);
      // As a gateway does that has read the first word.
      if (first.messages.length === 3) pair.near.handle(second);
    };
    for (let i = 0; i < 100; i++) pair.far.send(String(i));
    new LinkEar(pair.far);
    await quiet(() => pair.near.bufferedBytes);
    pair.near.handle(first);
    await second.heard(97);
    expect([...first.messages, ...second.messages])
      .toEqual(Array.from({ length: 100 }, (_, i) => String(i)));
    pair.far.close(1000, "");
    await second.ended();
    expect(first.ends).toEqual([]);
  });

  test(`${name} tells whoever handles it after its end`, async () => {
    await using pair = await open();
    const first = new LinkEar(pair.near);
    new LinkEar(pair.far);
    pair.far.close(4003, "Gone");
    await first.ended();
    const second = new LinkEar(pair.near);
    expect(await second.ended()).toEqual({ code: 4003, reason: "Gone" });
    expect(first.ends.length).toBe(1);
  });
}

function testPauses(name: string, open: OpenPair): void {
  test(`${name} lets a sender feel that nobody reads, and tells it of the drain`, async () => {
    await using pair = await open();
    const sender = new LinkEar(pair.near);
    const reader = new LinkEar(pair.far);
    pair.far.pause();
    for (let i = 0; i < FLOOD_COUNT; i++) {
      pair.near.send(new Uint8Array(MESSAGE_MAX_BYTES).fill(i));
    }
    const stuckBytes = await quiet(() => pair.near.bufferedBytes);
    // Two kernels hold the rest.
    expect(stuckBytes).toBeGreaterThan(8 * 1024 * 1024);
    expect(reader.receivedBytes).toBeLessThan(AFTER_PAUSE_MAX_BYTES);
    expect(sender.drainCount).toBe(0);
    pair.far.resume();
    await reader.heard(FLOOD_COUNT);
    const firsts = reader.messages.map((message) => message[0]);
    expect(firsts).toEqual(
      Array.from({ length: FLOOD_COUNT }, (_, i) => i & 0xff),
    );
    await quiet(() => sender.drainCount);
    expect([pair.near.bufferedBytes, sender.drainCount]).toEqual([0, 1]);
  });

  test(`${name} hears while it waits for its own words to be read`, async () => {
    await using pair = await open();
    new LinkEar(pair.near);
    const ear = new LinkEar(pair.near);
    new LinkEar(pair.far);
    pair.far.pause();
    for (let i = 0; i < FLOOD_COUNT; i++) {
      pair.near.send(new Uint8Array(MESSAGE_MAX_BYTES));
    }
    await quiet(() => pair.near.bufferedBytes);
    for (let i = 0; i < 10; i++) pair.far.send(`still here ${i}`);
    await ear.heard(10);
  });

  test(`${name} may be paused at each message`, async () => {
    await using pair = await open();
    const ear = new LinkEar();
    ear.message = (message) => {
      ear.messages.push(message);
      pair.far.pause();
      queueMicrotask(() => pair.far.resume());
    };
    pair.far.handle(ear);
    new LinkEar(pair.near);
    const said = Array.from({ length: 300 }, (_, i) => String(i));
    for (const message of said) pair.near.send(message);
    await ear.heard(said.length);
    expect(ear.messages).toEqual(said);
  });
}

function testCloses(name: string, open: OpenPair): void {
  for (const reason of ["", "Cannot go on", "é".repeat(61), "x".repeat(123)]) {
    test(`${name} closes with a code and a reason of ${reason.length} characters`, async () => {
      await using pair = await open();
      const [near, far] = [new LinkEar(pair.near), new LinkEar(pair.far)];
      pair.near.send("last words");
      pair.near.close(4417, reason);
      pair.near.send("too late");
      pair.near.close(4500, "too late");
      const end = { code: 4417, reason };
      expect([await near.ended(), await far.ended()]).toEqual([end, end]);
      expect(far.messages).toEqual(["last words"]);
    });
  }

  test(`${name} says goodbye after all that is queued`, async () => {
    await using pair = await open();
    const far = new LinkEar(pair.far);
    new LinkEar(pair.near);
    for (let i = 0; i < FLOOD_COUNT; i++) {
      pair.near.send(new Uint8Array(MESSAGE_MAX_BYTES));
    }
    pair.near.close(1000, "");
    expect(await far.ended()).toEqual({ code: 1000, reason: "" });
    expect(far.messages.length).toBe(FLOOD_COUNT);
  });

  test(`${name} ends once on each side when both close at once`, async () => {
    await using pair = await open();
    const [near, far] = [new LinkEar(pair.near), new LinkEar(pair.far)];
    pair.near.close(4001, "near");
    pair.far.close(4002, "far");
    const ends = [await near.ended(), await far.ended()];
    expect(ends.map(({ code }) => [4001, 4002].includes(code)))
      .toEqual([true, true]);
  });

  for (const order of ["before", "after"] as const) {
    test(`${name} hears the goodbye to its own although it was paused ${order} it`, async () => {
      await using pair = await open();
      const [near, far] = [new LinkEar(pair.near), new LinkEar(pair.far)];
      if (order === "before") pair.near.pause();
      pair.near.close(4001, "near");
      if (order === "after") pair.near.pause();
      expect([await near.ended(), await far.ended()])
        .toEqual(Array(2).fill({ code: 4001, reason: "near" }));
    });
  }
}

function testBreaks(name: string, open: OpenPair): void {
  test(`${name} refuses a longer message with 1009, which is messageTooLarge`, async () => {
    await using pair = await open();
    const [near, far] = [new LinkEar(pair.near), new LinkEar(pair.far)];
    pair.near.send(new Uint8Array(MESSAGE_MAX_BYTES + 1));
    const end = await near.ended();
    expect([end.code, faultOfEnd(end).code]).toEqual([1009, "messageTooLarge"]);
    await far.ended();
    expect(far.messages).toEqual([]);
  });

  test(`${name} breaks off at once when it is terminated, on both sides`, async () => {
    await using pair = await open();
    const [near, far] = [new LinkEar(pair.near), new LinkEar(pair.far)];
    pair.near.terminate();
    pair.near.terminate();
    for (const ear of [near, far]) {
      const end = await ear.ended();
      expect([end.code, faultOfEnd(end).code]).toEqual([1006, "linkLost"]);
    }
    pair.near.send("nobody");
    pair.near.close(1000, "");
    pair.near.terminate();
    expect([near.ends.length, far.ends.length]).toEqual([1, 1]);
  });

  test(`${name} is terminated although nobody reads what it has queued`, async () => {
    await using pair = await open();
    const [near, far] = [new LinkEar(pair.near), new LinkEar(pair.far)];
    pair.far.pause();
    for (let i = 0; i < FLOOD_COUNT; i++) {
      pair.near.send(new Uint8Array(MESSAGE_MAX_BYTES));
    }
    await quiet(() => pair.near.bufferedBytes);
    pair.near.terminate();
    expect((await near.ended()).code).toBe(1006);
    pair.far.resume();
    expect((await far.ended()).code).toBe(1006);
  });
}
