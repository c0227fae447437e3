import { expect, test } from "bun:test";
import { agentConfig } from "../../src/agent/config.ts";
import { agentConfigSchema } from "../../src/agent/config_schema.ts";
import type { Discovered } from "../../src/agent/discover.ts";

const FOUND: Discovered = {
  deviceId: 12,
  conf: {
    manager: "https://mf.example.org",
    name: "aula-12",
    caFile: "/var/mtls/ca.pem",
    certFile: "/var/mtls/cert.pem",
    keyFile: "/var/mtls/key.pem",
    warnings: [],
  },
};

/** What of a configuration migasfree can tell. */
function told(file: Record<string, unknown>, found?: Discovered) {
  const defaults = { name: "pc-7.example.org" };
  const config = agentConfig(agentConfigSchema.parse(file), defaults, found);
  if (!config) return undefined;
  const { caFile, certFile, keyFile, isCaAdded, isPairOptional } = config;
  const { deviceId, name, manager, gatewayUrl } = config;
  const files = [caFile, certFile, keyFile, isCaAdded, isPairOptional];
  return [deviceId, name, gatewayUrl ?? manager, ...files];
}

test("agentConfig() takes from migasfree what no file says", () => {
  expect(told({}, FOUND)).toEqual([
    ...[12, "aula-12", "https://mf.example.org"],
    ...["/var/mtls/ca.pem", "/var/mtls/cert.pem", "/var/mtls/key.pem"],
    ...[true, true],
  ]);
});

test("agentConfig() lets the file win, key by key", () => {
  const rest = ["/var/mtls/cert.pem", "/var/mtls/key.pem", true, true];
  expect(told({ "device_id": 7 }, FOUND)?.slice(0, 3))
    .toEqual([7, "aula-12", "https://mf.example.org"]);
  expect(told({ name: "mine" }, FOUND)?.slice(0, 3))
    .toEqual([12, "mine", "https://mf.example.org"]);
  expect(told({ manager: "https://other" }, FOUND)?.slice(0, 3))
    .toEqual([12, "aula-12", "https://other"]);
  expect(told({ gateway: "wss://gw" }, FOUND)?.slice(0, 3))
    .toEqual([12, "aula-12", "wss://gw/tunnel"]);
  // A CA that a person has named is the only one that is believed.
  expect(told({ "ca_file": "/my/ca" }, FOUND)?.slice(3))
    .toEqual(["/my/ca", ...rest.slice(0, 2), false, true]);
  expect(told({ "cert_file": "/my/c", "key_file": "/my/k" }, FOUND)?.slice(3))
    .toEqual(["/var/mtls/ca.pem", "/my/c", "/my/k", true, false]);
});

test("agentConfig() goes without files and name where migasfree has none", () => {
  const conf = {
    manager: "https://mf.example.org",
    name: undefined,
    caFile: undefined,
    certFile: undefined,
    keyFile: undefined,
    warnings: [],
  };
  expect(told({}, { deviceId: 12, conf })).toEqual([
    ...[12, "pc-7.example.org", "https://mf.example.org"],
    ...[undefined, undefined, undefined, false, false],
  ]);
});

test("agentConfig() is not there while something is missing that nobody said", () => {
  const { conf } = FOUND;
  const found = [
    told({}),
    told({ "device_id": 7 }),
    told({ gateway: "wss://gw" }),
    told({}, { deviceId: undefined, conf }),
    told({}, { deviceId: 12, conf: undefined }),
  ];
  expect(found).toEqual(found.map(() => undefined));
});
