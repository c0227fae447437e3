import type { HeartbeatValues } from "../protocol/control.ts";

/** Upstream's peers look for half a minute at an answer before they give up. */
const SILENCE_MIN_MS = 90_000;

/** Returns how a peer of protocol 1 is watched: with more patience than ours. */
export function v1Heartbeat(values: HeartbeatValues): HeartbeatValues {
  const timeoutMs = Math.max(values.timeout_ms, SILENCE_MIN_MS);
  return { ...values, "timeout_ms": timeoutMs };
}
