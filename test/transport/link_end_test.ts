import { expect, test } from "bun:test";
import { Fault, type FaultCode, FAULTS } from "../../src/protocol/fault.ts";
import type { LinkEnd } from "../../src/transport/link.ts";
import {
  closeNormally,
  closeWithFault,
  faultOfEnd,
} from "../../src/transport/link_end.ts";
import { memoryLinks } from "../support/memory_link.ts";
import { settle } from "../support/manual_clock.ts";

/** What the other side hears when a link is closed. */
async function heardAfter(
  close: (link: Parameters<typeof closeNormally>[0]) => void,
): Promise<LinkEnd | undefined> {
  const { near, far } = memoryLinks();
  let heard: LinkEnd | undefined;
  near.handle({ message() {}, drain() {}, closed() {} });
  far.handle({ message() {}, drain() {}, closed: (end) => heard = end });
  close(near);
  await settle();
  return heard;
}

function said(fault: Fault): [string, string] {
  return [fault.code, fault.message];
}

for (const [code, { closeCode }] of Object.entries(FAULTS)) {
  test(`closeWithFault() and faultOfEnd() carry ${code} as ${closeCode}`, async () => {
    const fault = new Fault(code as FaultCode, "Cannot go on: it is over");
    const heard = await heardAfter((link) => closeWithFault(link, fault));
    const reason = code === "internal" ? "Internal error" : fault.message;
    expect(heard).toEqual({ code: closeCode, reason });
    expect(said(faultOfEnd(heard ?? { code: 0, reason: "" })))
      .toEqual([code, reason]);
  });
}

test("closeWithFault() cuts the reason to 123 bytes, never inside a character", async () => {
  const cases: readonly [message: string, reason: string][] = [
    ["x".repeat(123), "x".repeat(123)],
    ["x".repeat(124), "x".repeat(123)],
    [`${"x".repeat(122)}é`, "x".repeat(122)],
    [`${"x".repeat(121)}é`, `${"x".repeat(121)}é`],
    ["é".repeat(100), "é".repeat(61)],
    ["教".repeat(100), "教".repeat(41)],
    ["🖥".repeat(100), "🖥".repeat(30)],
    [`${"x".repeat(120)}🖥`, "x".repeat(120)],
  ];
  for (const [message, reason] of cases) {
    const fault = new Fault("peerGone", message);
    const heard = await heardAfter((link) => closeWithFault(link, fault));
    expect(heard?.reason).toBe(reason);
  }
});

test("closeNormally() says 1000 and no reason", async () => {
  expect(await heardAfter(closeNormally)).toEqual({ code: 1000, reason: "" });
});

test("faultOfEnd() says what an end means that no fault has caused", () => {
  const cases: readonly [end: LinkEnd, code: string, message: string][] = [
    [
      { code: 1009, reason: "too big" },
      "messageTooLarge",
      "The other side refused a long message",
    ],
    [{ code: 1006, reason: "" }, "linkLost", "The link broke off (code 1006)"],
    [
      { code: 1006, reason: "read ECONNRESET" },
      "linkLost",
      "The link broke off (read ECONNRESET)",
    ],
    [{ code: 1000, reason: "" }, "linkLost", "The link broke off (code 1000)"],
    [{ code: 1001, reason: "" }, "linkLost", "The link broke off (code 1001)"],
    [{ code: 4999, reason: "?" }, "linkLost", "The link broke off (?)"],
    [{ code: 4003, reason: "" }, "peerGone", "The other side closed the link"],
  ];
  for (const [end, code, message] of cases) {
    expect(said(faultOfEnd(end))).toEqual([code, message]);
  }
});

test("faultOfEnd() makes what the other side says harmless", () => {
  const hostile = `\u001b[31m\r\n${"x".repeat(200)}`;
  expect(faultOfEnd({ code: 4404, reason: hostile }).message)
    .toBe(`?[31m??${"x".repeat(115)}…`);
  expect(faultOfEnd({ code: 1006, reason: "\u0000\u202e" }).message)
    .toBe("The link broke off (??)");
});
