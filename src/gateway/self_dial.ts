import type { Link } from "../transport/link.ts";
import type { Visitor } from "../transport/visitor.ts";
import type { Admitted } from "./admit.ts";

/** A request that the gateway makes at its own door. */
export interface SelfRequest {
  readonly path: string;
  readonly query?: URLSearchParams;
  /** A ticket or a resume token. */
  readonly bearer?: string;
}

/**
 * Opens a link of this process to its own door, as `caller`: so that the
 * gateway can be one end of a stream in the place of somebody who speaks
 * protocol 1. A refusal ends the link, with the fault as its reason.
 */
export type SelfDial = (request: SelfRequest, caller: Admitted) => Link;

/** Returns what the door sees of a caller that never left this process. */
export function selfVisitor(
  { bearer, path, query }: SelfRequest,
  caller: Admitted,
): Visitor {
  return {
    path,
    query: query ?? new URLSearchParams(),
    subprotocols: [],
    peerAddress: caller.address,
    certificate: undefined,
    header: (name) =>
      name === "authorization" && bearer !== undefined
        ? `Bearer ${bearer}`
        : undefined,
    accept: () => Promise.reject(new Error("Cannot accept what is open")),
    refuse: () => undefined,
  };
}
