import { expect, test } from "bun:test";
import { Fault } from "../../src/protocol/fault.ts";
import {
  superviseLink,
  type SupervisePorts,
} from "../../src/transport/supervise.ts";
import { abortListenerCount } from "../support/leak_check.ts";
import { ListLog } from "../support/list_log.ts";
import { ManualClock, settle } from "../support/manual_clock.ts";
import { rejection } from "../support/rejection.ts";

const lost = new Fault("linkLost", "The link broke off");
const stopped = new Error("Told to stop");

type Once = (
  stood: () => void,
  signal: AbortSignal,
  clock: ManualClock,
) => Promise<Fault>;

/** A supervised link, and all that it leans on. */
class Supervised {
  readonly clock = new ManualClock();
  readonly log = new ListLog();
  readonly stop = new AbortController();
  /** When `once` was called. */
  readonly dialedAtMs: number[] = [];
  changed = Promise.withResolvers<void>();
  readonly running: Promise<unknown>;

  constructor(once: Once, ports: Partial<SupervisePorts> = {}) {
    const counted = (stood: () => void, signal: AbortSignal) => {
      this.dialedAtMs.push(this.clock.now());
      return once(stood, signal, this.clock);
    };
    this.running = rejection(superviseLink(counted, {
      clock: this.clock,
      log: this.log,
      random: () => 1,
      capMs: () => 60_000,
      changed: (signal) => this.#change(signal),
      ...ports,
    }, this.stop.signal));
  }

  async end(): Promise<void> {
    this.stop.abort(stopped);
    expect(await this.running).toBe(stopped);
    expect(this.clock.sleeperCount).toBe(0);
    expect(abortListenerCount(this.stop.signal)).toBe(0);
  }

  #change(signal: AbortSignal): Promise<void> {
    const { promise, reject } = this.changed = Promise.withResolvers<void>();
    const told = () => reject(signal.reason);
    signal.addEventListener("abort", told, { once: true });
    return promise;
  }
}

test("superviseLink() dials for ever, and waits longer each time", async () => {
  const supervised = new Supervised(() => Promise.resolve(lost));
  await supervised.clock.advance(24 * 3_600_000);
  expect(supervised.dialedAtMs.slice(0, 8))
    .toEqual([0, 3_000, 4_000, 6_000, 10_000, 18_000, 34_000, 66_000]);
  expect(supervised.dialedAtMs.length).toBeGreaterThan(1_400);
  expect(supervised.log.lines.slice(0, 2)).toEqual([
    'link.failed {"attempt":1,"waitMs":3000} linkLost: The link broke off',
    'link.failed {"attempt":2,"waitMs":1000} linkLost: The link broke off',
  ]);
  await supervised.end();
});

test("superviseLink() outlives whatever an attempt throws", async () => {
  const throwers: Once[] = [
    () => Promise.reject(lost),
    () => Promise.reject(new Error("a bug")),
    () => {
      throw new Error("a bug, before there is a promise");
    },
    () => Promise.reject(undefined),
  ];
  for (const once of throwers) {
    const supervised = new Supervised(once);
    await supervised.clock.advance(60_000);
    expect(supervised.dialedAtMs.length).toBe(7);
    await supervised.end();
  }
});

test("superviseLink() stops at once while it waits, and dials no more", async () => {
  const supervised = new Supervised(() => Promise.resolve(lost));
  await supervised.clock.advance(1_000);
  await supervised.end();
  await supervised.clock.advance(60_000);
  expect(supervised.dialedAtMs).toEqual([0]);
});

test("superviseLink() stops at once while a link stands, and logs no loss", async () => {
  const supervised = new Supervised((stood, signal, clock) => {
    stood();
    return clock.sleep(3_600_000, signal).then(() => lost);
  });
  await settle();
  await supervised.end();
  expect(supervised.log.lines).toEqual([]);
});

test("superviseLink() does not begin when it was told to stop before", async () => {
  let count = 0;
  const once = () => {
    count++;
    return Promise.resolve(lost);
  };
  const { clock, log } = { clock: new ManualClock(), log: new ListLog() };
  const supervising = superviseLink(once, {
    clock,
    log,
    random: () => 1,
    capMs: () => 1,
    changed: (signal) => clock.sleep(1, signal),
  }, AbortSignal.abort(stopped));
  expect(await rejection(supervising)).toBe(stopped);
  expect(count).toBe(0);
});

test("superviseLink() dials early when something has changed", async () => {
  const refused = new Fault("certificateExpired", "It has expired");
  const supervised = new Supervised(() => Promise.resolve(refused));
  await supervised.clock.advance(1_000);
  supervised.changed.resolve();
  await supervised.clock.advance(0);
  expect(supervised.dialedAtMs).toEqual([0, 1_000]);
  await supervised.clock.advance(6 * 60_000);
  expect(supervised.dialedAtMs).toEqual([0, 1_000, 361_000]);
  await supervised.end();
});

test("superviseLink() keeps its pace when nobody can tell of a change", async () => {
  const broken = [
    () => Promise.reject(new Error("no such directory")),
    () => {
      throw new Error("no such directory");
    },
  ];
  for (const changed of broken) {
    const supervised = new Supervised(() => Promise.resolve(lost), { changed });
    await supervised.clock.advance(6_000);
    expect(supervised.dialedAtMs).toEqual([0, 3_000, 4_000, 6_000]);
    expect(supervised.log.lines.slice(0, 2)).toEqual([
      'link.failed {"attempt":1,"waitMs":3000} linkLost: The link broke off',
      "link.watch_failed {} Error: no such directory",
    ]);
    await supervised.end();
  }
});

test("superviseLink() starts afresh after a link that stood for a minute", async () => {
  const supervised = new Supervised((stood, signal, clock) => {
    stood();
    return clock.sleep(60_000, signal).then(() => lost);
  });
  await supervised.clock.advance(4 * 63_000);
  expect(supervised.dialedAtMs)
    .toEqual([0, 63_000, 126_000, 189_000, 252_000]);
  expect(supervised.log.lines[3]).toBe(
    'link.lost {"attempt":1,"waitMs":3000} linkLost: The link broke off',
  );
  await supervised.end();
});

test("superviseLink() counts a link's life from when it stood, not from the dial", async () => {
  const supervised = new Supervised(async (stood, signal, clock) => {
    await clock.sleep(50_000, signal);
    stood();
    await clock.sleep(40_000, signal);
    return lost;
  });
  await supervised.clock.advance(90_000 + 3_000 + 90_000);
  expect(supervised.log.lines.map((line) => line.split(" ", 2).join(" ")))
    .toEqual([
      'link.lost {"attempt":1,"waitMs":3000}',
      'link.lost {"attempt":2,"waitMs":1000}',
    ]);
  await supervised.end();
});

test("superviseLink() takes the first word that a link stands", async () => {
  const supervised = new Supervised(async (stood, signal, clock) => {
    stood();
    await clock.sleep(30_000, signal);
    stood();
    await clock.sleep(30_000, signal);
    return lost;
  });
  await supervised.clock.advance(2 * 63_000);
  expect(supervised.dialedAtMs).toEqual([0, 63_000, 126_000]);
  await supervised.end();
});

test("superviseLink() asks for the cap anew each time", async () => {
  let capMs = 60_000;
  const supervised = new Supervised(() => Promise.resolve(lost), {
    capMs: () => capMs,
  });
  await supervised.clock.advance(18_000);
  capMs = 5_000;
  await supervised.clock.advance(30_000);
  expect(supervised.dialedAtMs)
    .toEqual([0, 3_000, 4_000, 6_000, 10_000, 18_000, 34_000, 39_000, 44_000]);
  await supervised.end();
});
