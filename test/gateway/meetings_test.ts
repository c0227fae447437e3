import { expect, test } from "bun:test";
import {
  type End,
  Meetings,
  type Returned,
} from "../../src/gateway/meetings.ts";
import type { Fault } from "../../src/protocol/fault.ts";
import { abortListenerCount } from "../support/leak_check.ts";
import { settle } from "../support/manual_clock.ts";
import { TunnelEnd } from "./relay_bench.ts";

const TUNNEL = "0123456789abcdef0123456789abcdef";

/** One end that has come back, and what became of it. */
class Visit {
  readonly end = new TunnelEnd();
  readonly gone = new AbortController();
  readonly returned: Returned;
  recheckCount = 0;
  /** Undefined: still waits; null: nobody for it to take. */
  other: Returned | null | undefined;

  constructor(meetings: Meetings, role: End, tunnelId = TUNNEL) {
    this.returned = {
      link: this.end.atGateway,
      caller: {
        principal: { role, subject: `/CN=${role}`, name: role },
        address: "192.0.2.7",
        certificate: undefined,
      },
    };
    const recheck = () => this.recheckCount++;
    const { signal } = this.gone;
    void meetings.meet(tunnelId, role, this.returned, recheck, signal)
      .then((other) => this.other = other ?? null);
  }
}

test("Meetings gives the first end to the second, whichever comes first", async () => {
  for (
    const [one, two] of [["agent", "operator"], ["operator", "agent"]] as const
  ) {
    const meetings = new Meetings();
    const first = new Visit(meetings, one);
    await settle();
    expect([first.other, meetings.waitingCount]).toEqual([undefined, 1]);
    const second = new Visit(meetings, two);
    await settle();
    expect(second.other).toBe(first.returned);
    expect([first.other, meetings.waitingCount]).toEqual([null, 0]);
    expect([first.end.end, second.end.end]).toEqual([undefined, undefined]);
    expect(abortListenerCount(first.gone.signal)).toBe(0);
  }
});

test("Meetings keeps tunnels apart", async () => {
  const meetings = new Meetings();
  const one = new Visit(meetings, "agent");
  const other = new Visit(meetings, "operator", TUNNEL.replace("0", "1"));
  await settle();
  expect([one.other, other.other, meetings.waitingCount])
    .toEqual([undefined, undefined, 2]);
});

test("Meetings puts the newer link of an end in the place of the older", async () => {
  const meetings = new Meetings();
  const older = new Visit(meetings, "agent");
  await settle();
  const newer = new Visit(meetings, "agent");
  await settle();
  expect([older.other, older.end.end?.code, meetings.waitingCount])
    .toEqual([null, 4001, 1]);
  // The older one's late farewell takes nothing away.
  older.gone.abort();
  const other = new Visit(meetings, "operator");
  await settle();
  expect(other.other).toBe(newer.returned);
});

test("Meetings forgets an end whose time is over, or that was gone before", async () => {
  const meetings = new Meetings();
  const late = new Visit(meetings, "agent");
  late.gone.abort();
  await settle();
  expect([late.other, meetings.waitingCount]).toEqual([null, 0]);
  const visit = new Visit(meetings, "operator");
  await settle();
  expect([visit.other, meetings.waitingCount]).toEqual([undefined, 1]);
});

test("Meetings cuts the relay of a tunnel to which an end comes back", () => {
  const meetings = new Meetings();
  const faults: Fault[] = [];
  const over = meetings.relaying(TUNNEL, (fault) => faults.push(fault));
  new Visit(meetings, "agent");
  expect(faults.map(({ code }) => code)).toEqual(["peerGone"]);
  over(false);
  new Visit(meetings, "agent");
  expect(faults.length).toBe(1);
  expect(meetings.isFinished(TUNNEL)).toBe(false);
});

test("Meetings lets an older relay's end not hide the newer one", () => {
  const meetings = new Meetings();
  const cuts: string[] = [];
  const overOlder = meetings.relaying(TUNNEL, () => cuts.push("older"));
  meetings.relaying(TUNNEL, () => cuts.push("newer"));
  overOlder(false);
  new Visit(meetings, "agent");
  expect(cuts).toEqual(["newer"]);
});

test("Meetings says goodbye to an end that waits for a tunnel that has finished", async () => {
  const meetings = new Meetings();
  const over = meetings.relaying(TUNNEL, () => undefined);
  const visit = new Visit(meetings, "agent");
  await settle();
  over(true);
  await settle();
  expect([visit.other, visit.end.end?.code, meetings.waitingCount])
    .toEqual([null, 1000, 0]);
  expect(meetings.isFinished(TUNNEL)).toBe(true);
});

test("Meetings remembers the last 10000 tunnels that finished, and no more", () => {
  const meetings = new Meetings();
  for (let i = 0; i < 10_001; i++) {
    meetings.relaying(`tunnel ${i}`, () => undefined)(true);
  }
  expect([0, 1, 10_000].map((i) => meetings.isFinished(`tunnel ${i}`)))
    .toEqual([false, true, true]);
});

test("Meetings asks each that waits to look again", async () => {
  const meetings = new Meetings();
  const one = new Visit(meetings, "agent");
  const two = new Visit(meetings, "operator", TUNNEL.replace("0", "1"));
  await settle();
  meetings.recheck();
  expect([one.recheckCount, two.recheckCount]).toEqual([1, 1]);
});
