import { expect, test } from "bun:test";
import {
  DN_ATTRIBUTES_MAX_COUNT,
  DN_MAX_CHARS,
  parseDn,
  type Principal,
  principalOf,
  subjectAttributes,
} from "../../src/policy/identity.ts";
import { Fault, type FaultCode } from "../../src/protocol/fault.ts";

function outcome(work: () => Principal): Principal | FaultCode {
  try {
    return work();
  } catch (error) {
    if (error instanceof Fault) return error.code;
    throw error;
  }
}

function principalOfText(text: string): Principal | FaultCode {
  return outcome(() => principalOf(parseDn(text)));
}

const AGENT: Principal = {
  role: "agent",
  name: "4c4c_7",
  subject: "CN=4c4c_7,OU=COMPUTERS,O=mf.test",
};

test("principalOf() gives one principal for each form and order of a name", () => {
  const texts = [
    "/O=mf.test/OU=COMPUTERS/CN=4c4c_7",
    "CN=4c4c_7,OU=COMPUTERS,O=mf.test",
    "O=mf.test, OU=COMPUTERS, CN=4c4c_7",
    "cn=4c4c_7 , 2.5.4.11=COMPUTERS+oid.2.5.4.10=#0c076d662e74657374",
  ];
  const principals = texts.map(principalOfText);
  const subject = { CN: "4c4c_7", O: "mf.test", OU: ["COMPUTERS"] };
  principals.push(outcome(() => principalOf(subjectAttributes(subject))));
  expect(principals).toEqual(Array(5).fill(AGENT));
});

test("principalOf() makes an operator of an OU that is ADMINS in any case", () => {
  expect(principalOfText("CN=manager,OU=Admins,OU=IT,O=migasfree,C=ES"))
    .toEqual({
      role: "operator",
      name: "manager",
      subject: "CN=manager,OU=Admins,OU=IT,O=migasfree,C=ES",
    });
});

test("principalOf() does not mind in which order equal types come", () => {
  const [one, other] = [["b", "ADMINS", "a"], ["a", "b", "ADMINS"]].map((OU) =>
    outcome(() => principalOf(subjectAttributes({ OU, CN: "x", O: "o" })))
  );
  expect(one).toMatchObject({ subject: "CN=x,OU=ADMINS,OU=a,OU=b,O=o" });
  expect(other).toEqual(one);
});

test("principalOf() escapes a subject so that two names never look alike", () => {
  const subject = { OU: "ADMINS", CN: ' #a,b+c"d\\e;f<g>h=i ', O: "#o" };
  expect(outcome(() => principalOf(subjectAttributes(subject)))).toEqual({
    role: "operator",
    name: ' #a,b+c"d\\e;f<g>h=i ',
    subject: String.raw`CN=\ #a\,b\+c\"d\\e\;f\<g\>h=i\ ,OU=ADMINS,O=\#o`,
  });
});

test("principalOf() refuses a name that says no role, several, or no one", () => {
  const texts = [
    "/O=mf/OU=Core/CN=x",
    "/O=mf/CN=x",
    "/O=ADMINS/CN=OU=ADMINS",
    "/O=mf/OU=ADMINS2/CN=x",
    "/O=mf/OU= ADMINS/CN=x",
    "/O=mf/OU=COMPUTERS/OU=ADMINS/CN=x",
    "/O=mf/OU=ADMINS/OU=admins/CN=x",
    "OU=COMPUTERS+OU=COMPUTERS,CN=x",
    "CN=x,OU=ADMINS,2.5.4.11=COMPUTERS",
    "CN=x,OU=ADMINS,organizationalUnitName=ADMINS",
    "/O=mf/OU=ADMINS",
    "/O=mf/OU=ADMINS/CN=",
    "CN=x,CN=y,OU=ADMINS",
    `CN=${"x".repeat(257)},OU=ADMINS`,
    "CN=x,OU=COMPUTER\u017f",
  ];
  expect(texts.map(principalOfText)).toEqual(texts.map(() => "roleRefused"));
  expect(outcome(() => principalOf([]))).toBe("roleRefused");
});

test("principalOf() gives no role to a CN that contains one", () => {
  const names = ["x/OU=ADMINS", "x/OU=ADMINS/CN=root", "x+OU=ADMINS"];
  const slashForm = names.map((cn) => `/O=mf/OU=Core/CN=${cn}`);
  expect(slashForm.map(principalOfText)).toEqual(Array(3).fill("roleRefused"));
  const computers = names.map((cn) => `/O=mf/OU=COMPUTERS/CN=${cn}`);
  expect(computers.map(principalOfText)).toEqual([
    "roleRefused",
    "roleRefused",
    {
      role: "agent",
      name: "x+OU=ADMINS",
      subject: "CN=x\\+OU=ADMINS,OU=COMPUTERS,O=mf",
    },
  ]);
  const bare = { O: "mf", CN: "x/OU=ADMINS" };
  expect(outcome(() => principalOf(subjectAttributes(bare))))
    .toBe("roleRefused");
});

test("principalOf() does not take a CN that goes on behind a slash for a shorter one", () => {
  expect(principalOfText("/O=mf/OU=ADMINS/CN=ana/L=x")).toBe("roleRefused");
  expect(principalOfText("/O=mf/OU=ADMINS/emailAddress=a/CN=ana"))
    .toBe("roleRefused");
  expect(principalOfText("/O=mf/OU=ADMINS/CN=ana/x")).toMatchObject({
    name: "ana/x",
  });
});

test("principalOf() says what is wrong and what to do", () => {
  const attributes = parseDn("/O=mf/OU=Core/CN=gw");
  expect(() => principalOf(attributes)).toThrow(
    expect.objectContaining({
      code: "roleRefused",
      message:
        "Cannot tell role of certificate: no OU of its name is COMPUTERS or ADMINS",
      hint:
        "Use a certificate whose subject is O, OU (COMPUTERS or ADMINS), CN",
    }),
  );
});

test("subjectAttributes() reads lists and keeps every value", () => {
  expect(subjectAttributes({ O: "h", OU: ["a", "b"], x: undefined, CN: "c" }))
    .toEqual([
      { type: "O", value: "h" },
      { type: "OU", value: "a" },
      { type: "OU", value: "b" },
      { type: "CN", value: "c" },
    ]);
});

test("subjectAttributes() refuses what breaks a bound or hides controls", () => {
  const units = Array(DN_ATTRIBUTES_MAX_COUNT).fill("u");
  expect(subjectAttributes({ OU: units })).toHaveLength(64);
  const subjects = [
    { OU: units, CN: "x" },
    { CN: "x".repeat(DN_MAX_CHARS) },
    { OU: "ADMINS", CN: "x\nOU=COMPUTERS" },
    { OU: "ADMINS", CN: "\ud800" },
  ];
  for (const subject of subjects) {
    expect(outcome(() => principalOf(subjectAttributes(subject))))
      .toBe("certificateUntrusted");
  }
});
