import { expect, test } from "bun:test";
import { agentConfig } from "../../src/agent/config.ts";
import { agentConfigSchema } from "../../src/agent/config_schema.ts";
import {
  discoveredByRoot,
  handedFacts,
  parseHandedFacts,
  withHandedFiles,
} from "../../src/agent/handed_identity.ts";
import { Fault } from "../../src/protocol/fault.ts";

const file = agentConfigSchema.parse({});
const conf = {
  manager: "https://mf.example.org",
  name: "aula-7",
  caFile: "/var/mtls/ca.pem",
  certFile: "/var/mtls/cert.pem",
  keyFile: "/var/mtls/key.pem",
  warnings: [],
};
const known = agentConfig(file, { name: "host" }, { deviceId: 7, conf });
if (!known) throw new Error("Something is missing");

function thrownBy(work: () => unknown): Fault {
  try {
    work();
  } catch (error) {
    return Fault.from(error);
  }
  throw new Error("It throws nothing");
}

test("what root hands over is what migasfree has told it", () => {
  const text = JSON.stringify(handedFacts("stamp", known, undefined));
  expect(discoveredByRoot(parseHandedFacts(text)))
    .toEqual({ deviceId: 7, conf });
});

test("discoveredByRoot() says what root says", () => {
  const fault = new Fault("linkSilent", "Cannot wait", { hint: "Wait" });
  const facts = handedFacts("stamp", undefined, fault);
  const { code, hint, message } = thrownBy(() => discoveredByRoot(facts));
  expect({ code, hint, message })
    .toEqual({ code: "linkSilent", hint: "Wait", message: "Cannot wait" });
});

test("discoveredByRoot() takes a missing migasfree for something to wait for", () => {
  const fault = new Fault("programMissing", "Cannot start migasfree");
  const facts = handedFacts("stamp", undefined, fault);
  expect(thrownBy(() => discoveredByRoot(facts)).code).toBe("configInvalid");
});

test("parseHandedFacts() refuses what root does not write", () => {
  const facts = handedFacts("stamp", known, undefined);
  for (
    const text of [
      "",
      "[]",
      "{}",
      JSON.stringify({ ...facts, device_id: 0 }),
      JSON.stringify({ ...facts, more: 1 }),
      JSON.stringify({ ...facts, ca_file: "x".repeat(5_000) }),
    ]
  ) {
    expect([text, thrownBy(() => parseHandedFacts(text)).code])
      .toEqual([text, "configInvalid"]);
  }
});

test("withHandedFiles() puts root's copies in the place of root's files", () => {
  const { caFile, certFile, keyFile, ...rest } = withHandedFiles(
    known,
    "/run/x",
  );
  expect({ caFile, certFile, keyFile }).toEqual({
    caFile: "/run/x/ca.pem",
    certFile: "/run/x/cert.pem",
    keyFile: "/run/x/key.pem",
  });
  const { caFile: _ca, certFile: _cert, keyFile: _key, ...others } = known;
  expect(rest).toEqual(others);
});

test("withHandedFiles() invents no files where there are to be none", () => {
  const bare = {
    ...known,
    caFile: undefined,
    certFile: undefined,
    keyFile: undefined,
  };
  expect(withHandedFiles(bare, "/run/x")).toEqual(bare);
});
