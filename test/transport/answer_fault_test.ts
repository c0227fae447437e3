import { expect, test } from "bun:test";
import { answerFault } from "../../src/transport/answer_fault.ts";

const URL = "https://mf.test/tunnel/devices";

/** What is made of a status that came with a page, not with JSON. */
function explained(status: number) {
  const answer = {
    status,
    retryAfterMs: undefined,
    dateMs: undefined,
    body: undefined,
  };
  const { code, hint, message } = answerFault(answer, URL);
  return [code, message, hint];
}

test("item 64: answerFault() says that 403 is about the role", () => {
  const hint = "Use a certificate of this site: OU=ADMINS for an operator, " +
    "OU=COMPUTERS for a computer";
  expect(explained(403)).toEqual([
    "roleRefused",
    "Cannot enter mf.test: it answered 403",
    hint,
  ]);
});

test("item 64: answerFault() says that 429 is the proxy's limit", () => {
  expect(explained(429)).toEqual([
    "quotaExceeded",
    "Cannot use mf.test: it is asked too often (429)",
    "Wait 10 seconds, or raise RATE_LIMIT of the site's proxy",
  ]);
});

test("item 64: answerFault() says that 503 may be about NETWORK_MNG", () => {
  expect(explained(503)).toEqual([
    "gatewayRefused",
    "Cannot use mf.test: nobody serves this behind its proxy (503)",
    "Try again later; the manager answers only the networks of " +
    "the site's NETWORK_MNG",
  ]);
});

test("answerFault() knows a wrong address, and says any other status", () => {
  expect([explained(404), explained(500)]).toEqual([
    [
      "gatewayRefused",
      "Cannot use mf.test: it answered 404",
      "Check that the address is a gateway's, ending in /tunnel",
    ],
    [
      "gatewayRefused",
      "Cannot use mf.test: it answered 500",
      "Try again later, or look at the gateway's log",
    ],
  ]);
});
