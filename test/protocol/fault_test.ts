import { expect, test } from "bun:test";
import { Fault, FAULTS, isFaultCode } from "../../src/protocol/fault.ts";

const rows = Object.entries(FAULTS);

test("FAULTS has a close code of its own for each fault, within 4000-4999", () => {
  const codes = rows.map(([, row]) => row.closeCode);
  expect(new Set(codes).size).toBe(codes.length);
  const outside = codes.filter((code) =>
    !Number.isInteger(code) || code < 4000 || code > 4999
  );
  expect(outside).toEqual([]);
});

test("FAULTS has only the exit statuses of the contract", () => {
  const used = [...new Set(rows.map(([, row]) => row.exitCode))].sort();
  expect(used).toEqual([64, 69, 70, 76, 77, 78]);
});

test("FAULTS ends a command as the contract says for each kind of fault", () => {
  const exits = Object.fromEntries(
    rows.map(([code, row]) => [code, row.exitCode]),
  );
  expect(exits).toMatchObject({
    usageInvalid: 64,
    deviceOffline: 69,
    deviceUnknown: 69,
    serviceUnknown: 69,
    serviceRefused: 69,
    internal: 70,
    messageInvalid: 76,
    messageTooLarge: 76,
    messageUnexpected: 76,
    creditExceeded: 76,
    versionUnsupported: 76,
    certificateMissing: 77,
    certificateUntrusted: 77,
    certificateExpired: 77,
    certificateRevoked: 77,
    roleRefused: 77,
    deviceBound: 77,
    identityForged: 77,
    gatewayUntrusted: 77,
    ticketInvalid: 77,
    configInvalid: 78,
  });
});

test("FAULTS sends a refused identity to the slow lane", () => {
  const slow = rows.filter(([, row]) => row.retry === "slow")
    .map(([code]) => code).sort();
  expect(slow).toEqual([
    "certificateExpired",
    "certificateMissing",
    "certificateRevoked",
    "certificateUntrusted",
    "configInvalid",
    "deviceBound",
    "identityForged",
    "linkReplaced",
    "roleRefused",
    "versionUnsupported",
  ]);
});

test("isFaultCode() knows the table's rows and nothing that every object has", () => {
  expect(rows.every(([code]) => isFaultCode(code))).toBe(true);
  const strangers = [
    "",
    "nope",
    "LinkLost",
    "__proto__",
    "constructor",
    "toString",
    "hasOwnProperty",
  ];
  expect(strangers.filter(isFaultCode)).toEqual([]);
});

test("Fault.from() leaves a fault as it is and wraps what is none", () => {
  const fault = new Fault("linkLost", "Cannot go on", { hint: "Try again" });
  expect(Fault.from(fault)).toBe(fault);
  for (const bug of [new Error("boom"), "boom", undefined]) {
    const wrapped = Fault.from(bug);
    expect([wrapped.code, wrapped.message, wrapped.cause])
      .toEqual(["internal", "Cannot go on after a bug", bug]);
  }
});

test("Fault carries its hint, its cause and how long to stay away", () => {
  const cause = new Error("below");
  const fault = new Fault("quotaExceeded", "Cannot open tunnel", {
    hint: "Close another one",
    cause,
    retryAfterMs: 5_000,
  });
  const { name, code, hint, retryAfterMs } = fault;
  const seen = { name, code, hint, retryAfterMs, text: String(fault) };
  expect(fault.cause).toBe(cause);
  expect(seen).toEqual({
    name: "Fault",
    code: "quotaExceeded",
    hint: "Close another one",
    retryAfterMs: 5_000,
    text: "Fault: Cannot open tunnel",
  });
});
