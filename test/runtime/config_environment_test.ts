import { expect, test } from "bun:test";
import * as z from "zod/mini";
import {
  environmentName,
  environmentValues,
} from "../../src/runtime/config_environment.ts";
import { schemaNode } from "../../src/runtime/schema_node.ts";

const root = schemaNode(z.strictObject({
  ca_file: z.string(),
  count: z.int(),
  loud: z.boolean(),
  services: z.record(z.string(), z.string()),
  tls: z.strictObject({
    cert_file: z.string(),
    crl_files: z.array(z.string()),
  }),
  exec: z.strictObject({ allow: z.array(z.array(z.string())) }),
}));

function read(env: Record<string, string | undefined>) {
  const { values, warnings } = environmentValues(root, env, "X_");
  return {
    values: Object.fromEntries(
      values.map(({ path, value }) => [path.join("."), value]),
    ),
    warnings,
  };
}

test("environmentValues() finds keys, nested ones and those of a record", () => {
  const env = {
    X_CA_FILE: "ca.pem",
    X_TLS_CERT_FILE: "cert.pem",
    X_SERVICES_SSH: "127.0.0.1:22",
    X_SERVICES_MY_WEB: "127.0.0.1:80",
    HOME: "/root",
  };
  expect(read(env)).toEqual({
    values: {
      "ca_file": "ca.pem",
      "tls.cert_file": "cert.pem",
      "services.ssh": "127.0.0.1:22",
      "services.my_web": "127.0.0.1:80",
    },
    warnings: [],
  });
});

test("environmentValues() reads integers, and leaves what is none as text", () => {
  const counts = ["64", " 7 ", "-1", "1e3", "many", "0x10", "1.5"]
    .map((text) => read({ X_COUNT: text }).values["count"]);
  expect(counts).toEqual([64, 7, -1, "1e3", "many", "0x10", "1.5"]);
});

test("environmentValues() reads booleans in six ways of writing", () => {
  const said = ["true", "1", "Yes", "false", "0", "NO", "maybe", "2"]
    .map((text) => read({ X_LOUD: text }).values["loud"]);
  expect(said).toEqual([true, true, true, false, false, false, "maybe", "2"]);
});

test("environmentValues() splits lists at commas, lists in them at blanks", () => {
  const env = {
    X_TLS_CRL_FILES: "a.pem, b c.pem,",
    X_EXEC_ALLOW: "migasfree sync,migasfree  info",
  };
  expect(read(env).values).toEqual({
    "tls.crl_files": ["a.pem", "b c.pem"],
    "exec.allow": [["migasfree", "sync"], ["migasfree", "info"]],
  });
});

test("environmentValues() takes an empty variable for an unset one", () => {
  expect(read({ X_CA_FILE: "", X_COUNT: undefined, X_NONSENSE: "" }))
    .toEqual({ values: {}, warnings: [] });
});

test("environmentValues() warns of what is no key, and names the nearest", () => {
  const env = { X_CA_FLIE: "secret", X_TLS: "a", X_SERVICES_: "b" };
  expect(read(env)).toEqual({
    values: {},
    warnings: [
      "Environment variable X_CA_FLIE is not known, the nearest is X_CA_FILE",
      "Environment variable X_SERVICES_ is not known, the nearest is " +
      "X_SERVICES_NAME",
      "Environment variable X_TLS is not known, the nearest is X_LOUD",
    ],
  });
});

test("environmentValues() names eight unknown variables and counts the rest", () => {
  const env = Object.fromEntries(
    Array.from({ length: 11 }, (_none, index) => [`X_WHAT_${index}`, "1"]),
  );
  const { warnings } = read(env);
  expect(warnings.length).toBe(9);
  expect(warnings.at(-1)).toBe("3 more environment variables are unknown");
});

test("environmentName() writes what environmentValues() reads", () => {
  expect(environmentName("X_", ["tls", "cert_file"])).toBe("X_TLS_CERT_FILE");
});
