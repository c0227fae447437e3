import { plainText } from "../base/text.ts";
import { Fault, type FaultCode, FAULTS } from "../protocol/fault.ts";
import { FAULT_HINTS } from "../protocol/fault_hint.ts";
import { CLOSE_REASON_MAX_BYTES } from "../protocol/limits.ts";
import type { Link, LinkEnd } from "./link.ts";

const CODE_BY_CLOSE_CODE: ReadonlyMap<number, FaultCode> = new Map(
  Object.entries(FAULTS).map((
    [code, row],
  ) => [row.closeCode, code as FaultCode]),
);

/** RFC 6455 §7.4.1. */
const NORMAL_CLOSE = 1000;
const MESSAGE_TOO_BIG_CLOSE = 1009;

/** Ends `link` cleanly: nothing more is to be said, and nothing went wrong. */
export function closeNormally(link: Link): void {
  link.close(NORMAL_CLOSE, "");
}

/** Ends `link` with the close code of `fault` and its message as the reason. */
export function closeWithFault(link: Link, fault: Fault): void {
  const { closeCode } = FAULTS[fault.code];
  // What went wrong inside a bug is for our log, not for a peer.
  const message = fault.code === "internal" ? "Internal error" : fault.message;
  link.close(closeCode, cutToBytes(message, CLOSE_REASON_MAX_BYTES));
}

/** Returns what the end of a link means to the side that did not ask for it. */
export function faultOfEnd(end: LinkEnd): Fault {
  const reason = plainText(end.reason, CLOSE_REASON_MAX_BYTES);
  const code = CODE_BY_CLOSE_CODE.get(end.code);
  if (code) return toldFault(code, reason || "The other side closed the link");
  if (end.code === MESSAGE_TOO_BIG_CLOSE) {
    return toldFault(
      "messageTooLarge",
      "The other side refused a long message",
    );
  }
  const detail = reason === "" ? `code ${end.code}` : reason;
  return toldFault("linkLost", `The link broke off (${detail})`);
}

/** Returns what it means that nothing, or no answer, was heard for so long. */
export function silenceFault(silentMs: number): Fault {
  const seconds = Math.round(silentMs / 1000);
  const message = seconds > 0
    ? `The link was silent for ${seconds} s`
    : "The link did not answer";
  return new Fault("linkSilent", message);
}

function toldFault(code: FaultCode, message: string): Fault {
  return new Fault(code, message, { hint: FAULT_HINTS[code] });
}

/** Cuts `text` so that its UTF-8 form fits, never inside a character. */
function cutToBytes(text: string, maxBytes: number): string {
  const bytes = new Uint8Array(maxBytes);
  const { read } = new TextEncoder().encodeInto(text, bytes);
  return text.slice(0, read);
}
