import { RESUME_TOKEN_MAX_CHARS } from "../protocol/limits.ts";
import type { ResumeClaims, ResumeTokens } from "../protocol/resume_token.ts";
import type { ReturnTicket } from "../transport/reopen.ts";
import type { End } from "./meetings.ts";

/** What the two tokens of a tunnel say alike. */
export interface ReturnFacts {
  readonly tunnelId: string;
  readonly deviceId: number;
  readonly service: string;
  /** Which start of the agent it belongs to; undefined: it does not say. */
  readonly instance: string | undefined;
  /** How long its ends wait for a new link, as the agent asks for. */
  readonly detachMs: number | undefined;
  readonly operatorName: string;
  readonly operatorSubject: string;
}

export interface ReturnTicketPorts {
  readonly resumeTokens: ResumeTokens;
  /** In milliseconds: unless the agent says, and whatever it says. */
  readonly limits: { readonly detachMs: number; readonly detachMaxMs: number };
}

/**
 * Makes what one end of a tunnel comes back with, if it is `subject`. It is
 * empty for subjects of unheard-of length: such a tunnel cannot come back.
 */
export async function makeReturnTicket(
  role: End,
  subject: string,
  facts: ReturnFacts,
  { limits, resumeTokens }: ReturnTicketPorts,
): Promise<ReturnTicket> {
  const { detachMs: wantedMs = limits.detachMs } = facts;
  const detachMs = Math.min(wantedMs, limits.detachMaxMs);
  const claims: ResumeClaims = {
    tunnel: facts.tunnelId,
    role,
    subject,
    device: facts.deviceId,
    service: facts.service,
    instance: facts.instance,
    "detach_ms": detachMs,
    operator: facts.operatorName,
    "operator_subject": facts.operatorSubject,
  };
  const token = await resumeTokens.issue(claims);
  if (token.length > RESUME_TOKEN_MAX_CHARS) return {};
  return { "resume_token": token, "detach_ms": detachMs };
}
