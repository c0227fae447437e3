import type { Principal } from "../policy/identity.ts";
import type { ResumeClaims } from "../protocol/resume_token.ts";
import type { Admitted } from "./admit.ts";

/**
 * Who comes without a certificate, where the configuration lets such callers
 * in: what they say of themselves is all there is to know. Their subjects can
 * be no certificate's: each of those begins with a type and `=`.
 */
const SUBJECT_PREFIX = "nobody: ";

/** Somebody at `address` without a certificate, in the role that it takes. */
export function nobody(
  address: string,
  role: Principal["role"],
  deviceId?: number,
): Admitted {
  const subject = role === "agent"
    ? nobodyAgentSubject(deviceId ?? 0)
    : `${SUBJECT_PREFIX}${address}`;
  return {
    principal: { role, name: "nobody", subject },
    address,
    certificate: undefined,
    isNobody: true,
  };
}

/** The subject of the agent of a device that has no certificate. */
export function nobodyAgentSubject(deviceId: number): string {
  return `${SUBJECT_PREFIX}device ${deviceId}`;
}

/** Whether `subject` is one of {@linkcode nobody}. */
export function isNobodySubject(subject: string): boolean {
  return subject.startsWith(SUBJECT_PREFIX);
}

/**
 * Returns `caller` as the one that `claims` were made for, if it is: without
 * a certificate, the token is all that anybody can show.
 */
export function claimant(
  caller: Admitted,
  { operator, role, subject }: ResumeClaims,
): Admitted | undefined {
  const { principal } = caller;
  if (principal.role === role && principal.subject === subject) return caller;
  if (!caller.isNobody || !isNobodySubject(subject)) return undefined;
  const name = role === "operator" ? operator : principal.name;
  return { ...caller, principal: { role, name, subject } };
}
