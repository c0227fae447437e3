/** What somebody who may dial again does after a fault. */
type Retry =
  /** Full jitter, doubling: docs/PROTOCOL.md §7. */
  | "backoff"
  /** Minutes: only a person can mend it. */
  | "slow"
  /** Nothing to retry: it was asked for, or it is not a link's fault. */
  | "none";

interface FaultRow {
  /** WebSocket close code; 4000-4999 is private use (RFC 6455 §7.4.2). */
  readonly closeCode: number;
  readonly retry: Retry;
  /** Exit status of the operator's commands, after BSD sysexits. */
  readonly exitCode: number;
}

/**
 * Every expected way a link, a tunnel or a command can fail, and what follows
 * from it. docs/PROTOCOL.md §8 is this table in words; a test compares them.
 */
export const FAULTS = {
  // A life that ends, by somebody's decision.
  agentStopping: { closeCode: 4000, retry: "none", exitCode: 69 },
  linkReplaced: { closeCode: 4001, retry: "slow", exitCode: 69 },
  gatewayDraining: { closeCode: 4002, retry: "backoff", exitCode: 69 },
  peerGone: { closeCode: 4003, retry: "backoff", exitCode: 69 },
  tunnelCancelled: { closeCode: 4004, retry: "none", exitCode: 69 },
  identityChanged: { closeCode: 4005, retry: "backoff", exitCode: 69 },
  // What was said breaks the protocol.
  messageInvalid: { closeCode: 4400, retry: "backoff", exitCode: 76 },
  messageTooLarge: { closeCode: 4413, retry: "backoff", exitCode: 76 },
  messageUnexpected: { closeCode: 4409, retry: "backoff", exitCode: 76 },
  creditExceeded: { closeCode: 4410, retry: "backoff", exitCode: 76 },
  versionUnsupported: { closeCode: 4426, retry: "slow", exitCode: 76 },
  // Who is asking.
  certificateMissing: { closeCode: 4401, retry: "slow", exitCode: 77 },
  certificateUntrusted: { closeCode: 4402, retry: "slow", exitCode: 77 },
  certificateExpired: { closeCode: 4403, retry: "slow", exitCode: 77 },
  certificateRevoked: { closeCode: 4405, retry: "slow", exitCode: 77 },
  roleRefused: { closeCode: 4406, retry: "slow", exitCode: 77 },
  deviceBound: { closeCode: 4407, retry: "slow", exitCode: 77 },
  identityForged: { closeCode: 4411, retry: "slow", exitCode: 77 },
  ticketInvalid: { closeCode: 4412, retry: "none", exitCode: 77 },
  // What was asked for cannot be had.
  deviceOffline: { closeCode: 4404, retry: "backoff", exitCode: 69 },
  deviceUnknown: { closeCode: 4414, retry: "none", exitCode: 69 },
  serviceUnknown: { closeCode: 4415, retry: "none", exitCode: 69 },
  serviceRefused: { closeCode: 4416, retry: "backoff", exitCode: 69 },
  streamReset: { closeCode: 4417, retry: "none", exitCode: 69 },
  openTimedOut: { closeCode: 4418, retry: "backoff", exitCode: 69 },
  execRefused: { closeCode: 4419, retry: "none", exitCode: 77 },
  execTimedOut: { closeCode: 4427, retry: "none", exitCode: 69 },
  quotaExceeded: { closeCode: 4429, retry: "backoff", exitCode: 69 },
  // The path between us.
  linkSilent: { closeCode: 4408, retry: "backoff", exitCode: 69 },
  linkLost: { closeCode: 4420, retry: "backoff", exitCode: 69 },
  gatewayUnreachable: { closeCode: 4421, retry: "backoff", exitCode: 69 },
  gatewayUnresolved: { closeCode: 4422, retry: "backoff", exitCode: 69 },
  gatewayUntrusted: { closeCode: 4423, retry: "backoff", exitCode: 77 },
  gatewayRefused: { closeCode: 4424, retry: "backoff", exitCode: 69 },
  proxyRefused: { closeCode: 4425, retry: "backoff", exitCode: 69 },
  // This machine.
  usageInvalid: { closeCode: 4464, retry: "none", exitCode: 64 },
  configInvalid: { closeCode: 4478, retry: "slow", exitCode: 78 },
  programMissing: { closeCode: 4469, retry: "none", exitCode: 69 },
  internal: { closeCode: 4500, retry: "backoff", exitCode: 70 },
} as const satisfies Record<string, FaultRow>;

export type FaultCode = keyof typeof FAULTS;

export interface FaultOptions {
  /** What a person can do about it, as one imperative sentence. */
  readonly hint?: string | undefined;
  readonly cause?: unknown;
  /** How long the other side asks us to stay away, in milliseconds. */
  readonly retryAfterMs?: number | undefined;
  /** Come back at a random moment within this time, in milliseconds. */
  readonly returnWithinMs?: number | undefined;
}

/** An expected failure. Anything else that is thrown is a bug. */
export class Fault extends Error {
  override readonly name = "Fault";
  readonly code: FaultCode;
  readonly hint: string | undefined;
  readonly retryAfterMs: number | undefined;
  readonly returnWithinMs: number | undefined;

  constructor(code: FaultCode, message: string, options: FaultOptions = {}) {
    super(message, { cause: options.cause });
    this.code = code;
    this.hint = options.hint;
    this.retryAfterMs = options.retryAfterMs;
    this.returnWithinMs = options.returnWithinMs;
  }

  /** Returns `error` if it is a fault, else an `internal` fault around it. */
  static from(error: unknown): Fault {
    if (error instanceof Fault) return error;
    return new Fault("internal", "Cannot go on after a bug", { cause: error });
  }
}

/** Returns whether `code`, heard from a peer, names a row of the table. */
export function isFaultCode(code: string): code is FaultCode {
  return Object.hasOwn(FAULTS, code);
}
