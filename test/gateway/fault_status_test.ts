import { expect, test } from "bun:test";
import { statusOf } from "../../src/gateway/fault_status.ts";
import { type FaultCode, FAULTS } from "../../src/protocol/fault.ts";

const CODES = Object.keys(FAULTS) as FaultCode[];

test("statusOf() answers every fault with a status of refusal", () => {
  const wrong = CODES.filter((code) =>
    !(statusOf(code) >= 400 && statusOf(code) <= 599)
  );
  expect(wrong).toEqual([]);
});

test("statusOf() tells who are you (401) from not you (403)", () => {
  const told: Partial<Record<FaultCode, number>> = {};
  for (const code of CODES) {
    const status = statusOf(code);
    if (status === 401 || status === 403) told[code] = status;
  }
  expect(told).toEqual({
    certificateMissing: 401,
    certificateUntrusted: 401,
    certificateExpired: 401,
    certificateRevoked: 403,
    roleRefused: 403,
    deviceBound: 403,
    identityForged: 403,
    ticketInvalid: 403,
    execRefused: 403,
  });
});

test("statusOf() blames the server (5xx) for what a caller may try again", () => {
  const asked: FaultCode[] = [
    ...["deviceOffline", "gatewayDraining", "quotaExceeded"] as const,
    ...["deviceUnknown", "messageInvalid", "internal"] as const,
  ];
  expect(asked.map(statusOf)).toEqual([503, 503, 429, 404, 400, 500]);
});
