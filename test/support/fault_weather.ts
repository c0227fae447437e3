/** Whether the bytes of one direction get through. */
export type Flow =
  /** As they come. */
  | "flows"
  /** Nobody reads them: they wait, and go on later. */
  | "stands"
  /** Read, and dropped: this direction of the connection is dead for good. */
  | "swallowed";

/** What becomes of somebody who dials. */
export type Welcome =
  /** A connection to the target. */
  | "relayed"
  /** Accepted, and never heard again: a black hole that holds the socket. */
  | "held"
  /** Reset at once. */
  | "refused";

/** What a network does to connections; it may change at any time. */
export interface Weather {
  /** What each chunk is late by, in each direction. */
  readonly latencyMs: number;
  /** Uniform in 0 to this, on top; the order is kept. */
  readonly jitterMs: number;
  /** Of each direction of each connection; 0: no limit. A slow reader. */
  readonly bytesPerSecond: number;
  /** Towards the target. */
  readonly up: Flow;
  /** From the target. */
  readonly down: Flow;
  readonly welcome: Welcome;
  /** Each connection is reset after so many bytes, of both directions; 0: never. */
  readonly resetAfterBytes: number;
  /** A connection is reset when it has been silent for so long; 0: never. */
  readonly idleMs: number;
  /** Drops pings and pongs (RFC 6455 §5.5), of WebSockets without TLS. */
  readonly swallowsPings: boolean;
}

/** Everything gets through, at once. */
export const CALM: Weather = {
  latencyMs: 0,
  jitterMs: 0,
  bytesPerSecond: 0,
  up: "flows",
  down: "flows",
  welcome: "relayed",
  resetAfterBytes: 0,
  idleMs: 0,
  swallowsPings: false,
};
