import { expect } from "bun:test";
import {
  parseDn,
  type Principal,
  principalOf,
} from "../../src/policy/identity.ts";
import { Fault, type FaultCode } from "../../src/protocol/fault.ts";
import { makeDevPki } from "../support/dev_pki.ts";
import { opensslText, testOpenssl } from "../support/openssl.ts";

function principalOrCode(text: string): Principal | FaultCode {
  try {
    return principalOf(parseDn(text));
  } catch (error) {
    if (error instanceof Fault) return error.code;
    throw error;
  }
}

/** What openssl prints of a subject in each form that proxies pass on. */
function printed(
  dir: string,
  certFile: string,
): [slash: string, comma: string] {
  const [slash = "", comma = ""] = ["compat", "RFC2253"].map((form) => {
    const args = ["x509", "-noout", "-subject", "-nameopt", form];
    return opensslText(dir, ...args, "-in", certFile)
      .replace(/^subject=/, "").replace(/\n$/, "");
  });
  return [slash, comma];
}

testOpenssl(
  "principalOf() knows a name in both forms that openssl prints",
  async () => {
    await using pki = await makeDevPki();
    for (
      const name of ["ana", "4C4C-44_7", "José 漢字", 'a, b;c=<"d">#', "# e"]
    ) {
      const { certFile } = await pki.operator(name);
      const principals = printed(pki.dir, certFile).map(principalOrCode);
      const [slash] = principals;
      expect(slash).toMatchObject({ role: "operator", name });
      expect(principals[1]).toEqual(slash as Principal);
    }
  },
);

testOpenssl(
  "principalOf() is not fooled by a CN that openssl prints like a role",
  async () => {
    await using pki = await makeDevPki();
    const names = ["x/OU=ADMINS", "x/CN=ana", "x\\/OU=ADMINS", "x\\x41", "x+y"];
    const verdicts = [];
    for (const name of names) {
      const { certFile } = await pki.computer(name);
      const [slash, comma] = printed(pki.dir, certFile);
      expect(principalOrCode(comma)).toMatchObject({ role: "agent", name });
      verdicts.push(principalOrCode(slash));
    }
    // OpenSSL 3 writes \/ and \+, HAProxy does not: neither is believed.
    expect(verdicts).toEqual(
      names.map(() => expect.stringMatching(/^cert|^role/)),
    );
  },
);
