import { expect, test } from "bun:test";
import {
  formatEnrollToken,
  newEnrollSecret,
  parseEnrollToken,
} from "../../src/policy/enroll_token.ts";
import { Fault } from "../../src/protocol/fault.ts";

const CLAIMS = {
  id: "0123456789abcdef0123456789abcdef",
  pin: "ab".repeat(32),
  expires: 1_800_000_000,
};

function faultOf(text: string): Fault {
  try {
    parseEnrollToken(text);
  } catch (error) {
    return Fault.from(error);
  }
  throw new Error("It was taken");
}

test("parseEnrollToken() reads what formatEnrollToken() wrote, white space around it too", () => {
  const all = { ...CLAIMS, device: 7, gateway: "wss://gw.test/tunnel" };
  for (const claims of [CLAIMS, all]) {
    const token = { claims, secret: newEnrollSecret() };
    const text = formatEnrollToken(token);
    expect(text).toMatch(/^mfe1\.[\w-]+\.[\w-]{43}$/);
    expect(parseEnrollToken(` ${text}\n`)).toEqual(token);
  }
});

test("parseEnrollToken() refuses a part of a token, and repeats nothing of it", () => {
  const secret = newEnrollSecret();
  const text = formatEnrollToken({ claims: CLAIMS, secret });
  const [prefix, body = "", tail] = text.split(".");
  const cut = body.slice(0, body.length / 2);
  for (
    const broken of [
      ...["", "mfe1", `mfe2.${body}.${tail}`, `${prefix}.${body}`],
      ...[`${prefix}.${cut}.${tail}`, `${text}.x`, text.slice(0, -1)],
      ...[`${prefix}.${body}.${tail}AAAA`, `${prefix}.?.${tail}`],
    ]
  ) {
    const { code, message } = faultOf(broken);
    expect([broken, code]).toEqual([broken, "usageInvalid"]);
    expect(message).not.toContain(secret.slice(0, 8));
    expect(message).not.toContain(body.slice(0, 8));
  }
});

test("parseEnrollToken() refuses claims that are not what they should be", () => {
  const secret = newEnrollSecret();
  for (
    const change of [
      { id: "x" },
      { pin: "AB".repeat(32) },
      { expires: -1 },
      { device: 0 },
      { gateway: "https://gw.test" },
      { gateway: "ws://gw.test/tunnel" },
    ]
  ) {
    const claims = { ...CLAIMS, ...change };
    const { message } = faultOf(formatEnrollToken({ claims, secret }));
    expect([change, message]).toEqual([
      change,
      "Cannot read enrolment token: its middle part is broken",
    ]);
  }
});
