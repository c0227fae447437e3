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
  const { code, fact, hint } = meaningOf(status);
  const refusal = code === "roleRefused" ? "Cannot enter" : "Cannot use";
  return new Fault(code, `${refusal} ${host}: ${fact}`, { hint, retryAfterMs });
}

/** What a status says without a word of a gateway, as proxies answer. */
function meaningOf(
  status: number,
): { code: FaultCode; fact: string; hint: string } {
  const fact = `it answered ${status}`;
  switch (status) {
    case 401:
    case 403:
      return {
        code: "roleRefused",
        fact,
        hint: "Use a certificate of this site: OU=ADMINS for an operator, " +
          "OU=COMPUTERS for a computer",
      };
    case 404:
      return {
        code: "gatewayRefused",
        fact,
        hint: "Check that the address is a gateway's, ending in /tunnel",
      };
    case 429:
      return {
        code: "quotaExceeded",
        fact: "it is asked too often (429)",
        hint: "Wait 10 seconds, or raise RATE_LIMIT of the site's proxy",
      };
    case 503:
      return {
        code: "gatewayRefused",
        fact: "nobody serves this behind its proxy (503)",
        hint: "Try again later; the manager answers only the networks of " +
          "the site's NETWORK_MNG",
      };
    default:
      return {
        code: "gatewayRefused",
        fact,
        hint: "Try again later, or look at the gateway's log",
      };
  }
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
