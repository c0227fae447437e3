import { expect, test } from "bun:test";
import { relayEnvironment } from "../../src/cli/relay_environment.ts";

const RELAY = Object.freeze({
  REDIS_URL: "redis://:secret@datastore:6379/0",
  FQDN: "mf.test",
  TUNNEL_CONNECTIONS: "1234",
});

const RANGES = "127.0.0.0/8,::1/128,10.0.0.0/8,172.16.0.0/12," +
  "192.168.0.0/16,fc00::/7";

test("relayEnvironment() takes the place of migasfree's relay, and says whom it trusts", () => {
  expect(relayEnvironment(RELAY, false)).toEqual({
    defaults: {
      MIGASFREE_GATEWAY_REDIS_URL: "redis://:secret@datastore:6379/0",
      MIGASFREE_GATEWAY_PUBLIC_URL: "wss://mf.test/tunnel",
      MIGASFREE_GATEWAY_LIMITS_LINKS_MAX: "1234",
      MIGASFREE_GATEWAY_LISTEN: "0.0.0.0:8080",
      MIGASFREE_GATEWAY_BEHIND_PROXY_TRUSTED: RANGES,
      MIGASFREE_GATEWAY_BEHIND_PROXY_INTERNAL_OPERATORS: RANGES,
    },
    warnings: [
      "No configuration: as migasfree's relay, this gateway believes " +
      `X-SSL-Client-CN from whoever reaches it from ${RANGES}, and takes ` +
      "who comes from there without that header for the manager",
    ],
  });
});

test("relayEnvironment() trusts nobody where somebody has configured a gateway", () => {
  const configured = [
    relayEnvironment(RELAY, true),
    ...["TLS_CERT_FILE", "BEHIND_PROXY_TRUSTED"].map((key) =>
      relayEnvironment({ ...RELAY, [`MIGASFREE_GATEWAY_${key}`]: "x" }, false)
    ),
    relayEnvironment({ ...RELAY, FQDN: "" }, false),
    relayEnvironment({ FQDN: "mf.test" }, false),
    relayEnvironment({}, false),
  ];
  for (const { defaults, warnings } of configured) {
    expect(warnings).toEqual([]);
    expect(Object.keys(defaults)).not.toContain("MIGASFREE_GATEWAY_LISTEN");
    expect(defaults["MIGASFREE_GATEWAY_BEHIND_PROXY_TRUSTED"]).toBeUndefined();
  }
});

test("relayEnvironment() names the port of a site that is not at 443", () => {
  const urls = ["443", "8443", ""].map((port) =>
    relayEnvironment({ ...RELAY, PORT_HTTPS: port }, false)
      .defaults["MIGASFREE_GATEWAY_PUBLIC_URL"]
  );
  expect(urls).toEqual([
    "wss://mf.test/tunnel",
    "wss://mf.test:8443/tunnel",
    "wss://mf.test/tunnel",
  ]);
});
