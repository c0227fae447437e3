import { plainText } from "../base/text.ts";
import { Fault, type FaultCode, isFaultCode } from "../protocol/fault.ts";
import { FAULT_MESSAGE_MAX_CHARS } from "../protocol/limits.ts";
import type { JsonAnswer } from "./post_json.ts";

/** What a gateway says in the JSON body of a refusal. */
interface Said {
  readonly code: FaultCode;
  readonly message: string;
  readonly hint: string | undefined;
}

/**
 * Returns what an HTTP answer that is no success means: what the gateway
 * says in its JSON body, else what the status says.
 */
export function answerFault(answer: JsonAnswer, url: string): Fault {
  const { retryAfterMs, status } = answer;
  const { host } = new URL(url);
  const said = saidIn(answer.body);
  if (said) {
    const { code, message, hint } = said;
    return new Fault(code, message, { hint, retryAfterMs });
  }
  if (status === 401 || status === 403) {
    return new Fault(
      "roleRefused",
      `Cannot enter ${host}: it answered ${status}`,
      {
        hint: "Check that the certificate is for this role and site",
        retryAfterMs,
      },
    );
  }
  return new Fault(
    "gatewayRefused",
    `Cannot use ${host}: it answered ${status}`,
    {
      hint: status === 404
        ? "Check that the address is a gateway's, ending in /tunnel"
        : "Try again later, or look at the gateway's log",
      retryAfterMs,
    },
  );
}

function saidIn(body: unknown): Said | undefined {
  const { code, message, hint } = Object(body) as Record<string, unknown>;
  if (typeof code !== "string" || !isFaultCode(code)) return undefined;
  if (typeof message !== "string") return undefined;
  return {
    code,
    message: plainText(message, FAULT_MESSAGE_MAX_CHARS),
    hint: typeof hint === "string"
      ? plainText(hint, FAULT_MESSAGE_MAX_CHARS)
      : undefined,
  };
}
