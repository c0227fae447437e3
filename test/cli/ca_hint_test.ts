import { expect, test } from "bun:test";
import { withCaHint } from "../../src/cli/ca_hint.ts";
import { Fault } from "../../src/protocol/fault.ts";
import { dialFault } from "../../src/runtime/dial_fault.ts";

const TARGET = { url: "wss://mf.test/tunnel", viaProxy: false };

function tlsFault(code: string): Fault {
  return dialFault(Object.assign(new Error(code), { code }), TARGET);
}

test("item 54: withCaHint() says how the site's CA becomes known", () => {
  const codes = ["SELF_SIGNED_CERT_IN_CHAIN", "DEPTH_ZERO_SELF_SIGNED_CERT"];
  for (const code of codes) {
    const fault = tlsFault(code);
    const advised = Fault.from(withCaHint(fault, "/home/ana/mf"));
    expect(advised.hint).toBe(
      "Save the certificate of the site's CA as /home/ana/mf/ca.pem, " +
        "or import the .p12 that carries it",
    );
    expect([advised.code, advised.cause]).toEqual([fault.code, fault.cause]);
  }
});

test("withCaHint() leaves all other faults as they are", () => {
  const others = [
    tlsFault("ERR_TLS_CERT_ALTNAME_INVALID"),
    tlsFault("CERT_HAS_EXPIRED"),
    tlsFault("ECONNREFUSED"),
    new Fault("roleRefused", "No"),
    new Error("SELF_SIGNED_CERT_IN_CHAIN"),
  ];
  for (const error of others) expect(withCaHint(error, "/x")).toBe(error);
});
