import type { FaultCode } from "../protocol/fault.ts";

/** The HTTP status (RFC 9110 §15) that refuses a request with a fault. */
const STATUSES = {
  agentStopping: 503,
  linkReplaced: 409,
  gatewayDraining: 503,
  peerGone: 502,
  tunnelCancelled: 503,
  identityChanged: 503,
  messageInvalid: 400,
  messageTooLarge: 413,
  messageUnexpected: 400,
  creditExceeded: 400,
  versionUnsupported: 400,
  // 401 is who are you, 403 is not you. No scheme of WWW-Authenticate stands
  // for a certificate: what to do is said by the hint.
  certificateMissing: 401,
  certificateUntrusted: 401,
  certificateExpired: 401,
  certificateRevoked: 403,
  roleRefused: 403,
  deviceBound: 403,
  identityForged: 403,
  ticketInvalid: 403,
  deviceOffline: 503,
  deviceUnknown: 404,
  serviceUnknown: 404,
  serviceRefused: 502,
  streamReset: 502,
  openTimedOut: 504,
  execRefused: 403,
  execTimedOut: 504,
  quotaExceeded: 429,
  linkSilent: 502,
  linkLost: 502,
  gatewayUnreachable: 502,
  gatewayUnresolved: 502,
  gatewayUntrusted: 502,
  // Said by a gateway, it is: there is nothing at this path.
  gatewayRefused: 404,
  proxyRefused: 502,
  usageInvalid: 400,
  configInvalid: 500,
  programMissing: 500,
  internal: 500,
} as const satisfies Record<FaultCode, number>;

/** Returns the HTTP status that says `code` to somebody who has no link. */
export function statusOf(code: FaultCode): number {
  return STATUSES[code];
}
