import type { FaultCode } from "../protocol/fault.ts";

/** How a link can end that leaves the stream whole: docs/PROTOCOL.md §10.1. */
export const LOST_CODES: readonly FaultCode[] = [
  "linkLost",
  "linkSilent",
  "peerGone",
  "gatewayDraining",
];
