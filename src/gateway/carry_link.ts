import type { Clock } from "../base/clock.ts";
import type { HeartbeatValues } from "../protocol/control.ts";
import { Fault } from "../protocol/fault.ts";
import type { Heartbeats } from "../transport/heartbeats.ts";
import type { Link, LinkEnd } from "../transport/link.ts";
import {
  closeNormally,
  closeWithFault,
  faultOfEnd,
} from "../transport/link_end.ts";
import { relay, type RelayResult } from "./relay.ts";

export interface CarryPorts {
  readonly clock: Clock;
  readonly heartbeats: Heartbeats;
  readonly heartbeat: HeartbeatValues;
}

/** RFC 6455 §7.4.1. */
const NORMAL_CLOSE = 1000;

/**
 * Carries a caller's link on to another gateway over `onward`: waits until
 * that gateway has joined the tunnel, or says why not, and forwards until the
 * links end. How one ends is how the other does. Owns both links.
 *
 * Never rejects. Once `signal` aborts, both are closed with its reason.
 *
 * @param openTimeoutMs How long the other gateway may take to join.
 */
export async function carryLink(
  link: Link,
  onward: Link,
  openTimeoutMs: number,
  ports: CarryPorts,
  signal: AbortSignal,
): Promise<RelayResult> {
  const { heartbeat, heartbeats } = ports;
  const { promise, resolve } = Promise.withResolvers<RelayResult>();
  const opened = new AbortController();
  const end = (fault: Fault) => {
    opened.abort();
    closeWithFault(link, fault);
    closeWithFault(onward, fault);
    resolve(nothing(fault));
  };
  const waiting = ports.clock.sleep(
    openTimeoutMs,
    AbortSignal.any([signal, opened.signal]),
  ).then(
    () => end(new Fault("openTimedOut", "The other gateway did not answer")),
    () => {
      if (!opened.signal.aborted) end(Fault.from(signal.reason));
    },
  );
  link.handle({
    message: () => end(new Fault("messageUnexpected", "Cannot begin so soon")),
    drain: () => undefined,
    closed: (left) => end(faultOfEnd(left)),
  });
  onward.handle({
    message: (first) => {
      if (opened.signal.aborted) return;
      opened.abort();
      // In this turn: the next message may come in it, too.
      resolve(relay(link, onward, heartbeats, heartbeat, signal));
      link.send(first);
    },
    drain: () => undefined,
    closed: (left) => {
      opened.abort();
      resolve(refused(link, left));
    },
  });
  const result = await promise;
  await waiting;
  return result;
}

/** The other gateway has refused: the caller hears it in the same words. */
function refused(link: Link, end: LinkEnd): RelayResult {
  if (end.code === NORMAL_CLOSE) {
    closeNormally(link);
    return nothing(undefined);
  }
  const fault = toldToCaller(faultOfEnd(end));
  closeWithFault(link, fault);
  return nothing(fault);
}

/** What is between the two gateways is no fault of the caller's. */
function toldToCaller(fault: Fault): Fault {
  switch (fault.code) {
    case "linkLost":
      return new Fault("peerGone", "The other gateway broke off");
    case "identityForged":
      return new Fault(
        "gatewayRefused",
        "The other gateway does not believe this one: compare their clocks",
      );
    default:
      return fault;
  }
}

function nothing(fault: Fault | undefined): RelayResult {
  return { upBytes: 0, downBytes: 0, fault, isFinished: fault === undefined };
}
