import { expect, test } from "bun:test";
import {
  DN_ATTRIBUTES_MAX_COUNT,
  DN_MAX_CHARS,
  parseDn,
} from "../../src/policy/identity.ts";
import { Fault, type FaultCode } from "../../src/protocol/fault.ts";

function faultOf(text: string): FaultCode | undefined {
  try {
    parseDn(text);
  } catch (error) {
    if (error instanceof Fault) return error.code;
    throw error;
  }
  return undefined;
}

/** As HTTP gives a header: one character per byte of UTF-8. */
function asHeader(text: string): string {
  return String.fromCharCode(...new TextEncoder().encode(text));
}

test("parseDn() reads the slash form with OpenSSL's escapes", () => {
  expect(parseDn("/C=ES/O=mf.test/OU=COMPUTERS/CN=a/b=c \\xC3\\xA9=1_7"))
    .toEqual([
      { type: "C", value: "ES" },
      { type: "O", value: "mf.test" },
      { type: "OU", value: "COMPUTERS" },
      { type: "CN", value: "a" },
      { type: "B", value: "c é=1_7", doubtful: true },
    ]);
});

test("parseDn() keeps slashes that begin no attribute in their value", () => {
  expect(parseDn("/O=http://a/?b/CN=c/d e=f/=g/")).toEqual([
    { type: "O", value: "http://a/?b" },
    { type: "CN", value: "c/d e=f/=g/" },
  ]);
});

test("parseDn() refuses escapes that OpenSSL does not write", () => {
  const values = ["\\x41", "\\x2FOU=ADMINS", "\\", "\\/OU=ADMINS", "\\n"];
  for (const value of [...values, "\\xZZ", "\\x1"]) {
    expect(faultOf(`/O=h/OU=COMPUTERS/CN=${value}`))
      .toBe("certificateUntrusted");
  }
});

test("parseDn() reads the comma form with escapes, spaces and parts", () => {
  const text = String.raw`CN=Ana \"A\, B\22 \C3\A9\ , OU = a\+b+ou=c=d ,` +
    String.raw`1.2.3=#0C0161,emailAddress=\#a\\`;
  expect(parseDn(text)).toEqual([
    { type: "CN", value: 'Ana "A, B" é ' },
    { type: "OU", value: "a+b" },
    { type: "OU", value: "c=d" },
    { type: "1.2.3", value: "a" },
    { type: "emailAddress", value: "#a\\" },
  ]);
});

test("parseDn() reads UTF-8 that came as bytes of a header", () => {
  const attributes = [{ type: "O", value: "José 漢" }];
  expect(parseDn(asHeader("/O=José 漢"))).toEqual(attributes);
  expect(parseDn("/O=José 漢")).toEqual(attributes);
  expect(parseDn("O=José")).toEqual([{ type: "O", value: "José" }]);
});

test("parseDn() keeps a byte order mark, so that it hides nothing", () => {
  const attributes = [{ type: "OU", value: "\ufeffADMINS" }];
  expect(parseDn(asHeader("/OU=\ufeffADMINS"))).toEqual(attributes);
  expect(parseDn("/OU=\\xEF\\xBB\\xBFADMINS")).toEqual(attributes);
  expect(parseDn("OU=\\EF\\BB\\BFADMINS")).toEqual(attributes);
});

test("parseDn() takes a name at each limit and refuses one more", () => {
  const longest = `/O=${"x".repeat(DN_MAX_CHARS - 3)}`;
  expect(parseDn(longest)).toHaveLength(1);
  expect(faultOf(`${longest}x`)).toBe("certificateUntrusted");
  const most = "/O=x".repeat(DN_ATTRIBUTES_MAX_COUNT);
  expect(parseDn(most)).toHaveLength(DN_ATTRIBUTES_MAX_COUNT);
  expect(faultOf(`${most}/O=x`)).toBe("certificateUntrusted");
});

test("parseDn() refuses what is no distinguished name", () => {
  const texts = [
    "",
    "/",
    "//",
    "/CN",
    "x",
    "=x",
    "CN",
    ",CN=x",
    "CN=x,",
    "CN=x,,O=y",
    "CN=x;O=y",
    'CN="x"',
    "CN=x\\",
    "CN=x\\g",
    "CN=\\C3",
    "CN=#",
    "CN=#0c",
    "CN=#0c0261",
    "CN=#040161",
    "CN=#zz",
    `CN=#0c80${"61".repeat(0x80)}`,
    "/O=x\\xC3",
    "/O=x\\x00",
    "/CN=a\u0000",
    "CN=a\\0Ab",
    "CN=a\u0085",
    "CN=\ud800",
    "ünit=x",
  ];
  expect(texts.map(faultOf)).toEqual(texts.map(() => "certificateUntrusted"));
});

test("parseDn() is quick on the text that its patterns like least", () => {
  const startMs = performance.now();
  for (const unit of ["\\", "/a", "/1.", "a=\\ ", " ", "/O=\\x", "1.", "a-"]) {
    const text = unit.repeat(DN_MAX_CHARS / unit.length);
    for (const head of ["", "/O=", "O="]) {
      faultOf((head + text).slice(0, DN_MAX_CHARS));
    }
  }
  expect(performance.now() - startMs).toBeLessThan(1_000);
});
