import { expect, test } from "bun:test";
import {
  type GatewayConfig,
  gatewayConfig,
  gatewayConfigSchema,
} from "../../src/gateway/config.ts";
import { ConfigFolder } from "../support/config_folder.ts";

const TLS = Object.freeze({
  cert_file: "/pki/gateway.pem",
  key_file: "/pki/gateway.key",
  client_ca_file: "/pki/ca.pem",
});

function read(file: Record<string, unknown>): GatewayConfig {
  return gatewayConfig(gatewayConfigSchema.parse(file));
}

async function problem(
  toml: string,
  env: Record<string, string> = {},
): Promise<[string, string | undefined]> {
  await using folder = await ConfigFolder.make();
  const { message, hint } = await folder.fault(gatewayConfigSchema, toml, env);
  return [message.replace("Cannot read test settings FILE: ", ""), hint];
}

test("gatewayConfig() fills in every default", () => {
  expect(read({ tls: TLS })).toEqual({
    listen: { host: "0.0.0.0", port: 8443 },
    publicUrl: undefined,
    stateDir: "/var/lib/migasfree-gateway",
    auditFile: "/var/lib/migasfree-gateway/audit.jsonl",
    logFormat: "text",
    metricsListen: { host: "127.0.0.1", port: 9464 },
    isMetricsListenExplicit: false,
    door: {
      tag: "tls",
      certFile: "/pki/gateway.pem",
      keyFile: "/pki/gateway.key",
      clientCaFile: "/pki/ca.pem",
      crlFiles: [],
    },
    limits: {
      tunnelsPerOperatorMax: 64,
      detachMs: 60_000,
      detachMaxMs: 1_800_000,
      tunnelsPerDeviceMax: 64,
      tunnelsPerAddressMax: 256,
      linksPerAddressMax: 4_096,
      linksMax: 50_000,
      openTimeoutMs: 10_000,
    },
    redisUrl: undefined,
    advertise: undefined,
    clusterCaFile: undefined,
    heartbeat: { interval_ms: 20_000, timeout_ms: 42_000 },
    downloadsDir: undefined,
    enroll: { pkiDir: undefined, onClone: "report" },
    drainGraceMs: 0,
    reconnectWithinMs: 0,
    isProtocol1Enabled: true,
    servesNobody: false,
  });
});

const FULL = Object.freeze({
  listen: "[::]:443",
  public_url: "wss://gw.example.org:8443",
  state_dir: "/srv/gateway/",
  audit_file: "/var/log/audit.jsonl",
  log_format: "json",
  metrics_listen: "127.0.0.1:9464",
  behind_proxy: {
    trusted: ["127.0.0.1/32", "2001:db8::/32"],
    identity_header: "X-Subject",
  },
  redis: { url: "rediss://user:pass@redis.test:6380/2" },
  cluster: { advertise: "https://10.0.0.3:8443", ca_file: "/pki/ca.pem" },
  limits: {
    tunnels_per_operator_max: 1,
    tunnels_per_device_max: 2,
    tunnels_per_address_max: 3,
    links_per_address_max: 4,
    links_max: 5,
    detach_max_ms: 7,
    open_timeout_ms: 600,
  },
  heartbeat: { interval_ms: 1_700, timeout_ms: 3_800 },
  drain: { grace_ms: 900, reconnect_within_ms: 1_000 },
  enroll: { pki_dir: "/srv/pki", on_clone: "quarantine" },
});

test("gatewayConfig() takes over what the file says", () => {
  const address = [0x20, 1, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
  expect(read(FULL)).toEqual({
    listen: { host: "::", port: 443 },
    publicUrl: "wss://gw.example.org:8443/tunnel",
    stateDir: "/srv/gateway/",
    auditFile: "/var/log/audit.jsonl",
    logFormat: "json",
    metricsListen: { host: "127.0.0.1", port: 9464 },
    isMetricsListenExplicit: true,
    door: {
      tag: "behindProxy",
      trusted: [
        {
          text: "127.0.0.1/32",
          address: Uint8Array.of(127, 0, 0, 1),
          prefixBits: 32,
        },
        {
          text: "2001:db8::/32",
          address: Uint8Array.from(address),
          prefixBits: 32,
        },
      ],
      identityHeader: "X-Subject",
      internalOperators: [],
    },
    redisUrl: "rediss://user:pass@redis.test:6380/2",
    advertise: "wss://10.0.0.3:8443",
    clusterCaFile: "/pki/ca.pem",
    limits: {
      tunnelsPerOperatorMax: 1,
      detachMs: 60_000,
      detachMaxMs: 7,
      tunnelsPerDeviceMax: 2,
      tunnelsPerAddressMax: 3,
      linksPerAddressMax: 4,
      linksMax: 5,
      openTimeoutMs: 600,
    },
    heartbeat: { interval_ms: 1_700, timeout_ms: 3_800 },
    downloadsDir: undefined,
    enroll: { pkiDir: "/srv/pki", onClone: "quarantine" },
    drainGraceMs: 900,
    reconnectWithinMs: 1_000,
    isProtocol1Enabled: true,
    servesNobody: false,
  });
});

test("gatewayConfigSchema wants a Redis, and says nothing of its password", async () => {
  for (
    const url of ["http://x", "redis://", "redis://:pass@h/db", "pass", "h:1"]
  ) {
    const toml = `redis.url = "${url}"\nbehind_proxy.trusted = ["10.1.2.3"]`;
    const [message, hint] = await problem(toml);
    expect(message).toContain("expected a URL such as redis://:password@");
    expect(`${message} ${hint}`).not.toMatch(/"pass|:pass@/);
  }
});

test("gatewayConfigSchema wants a place that other gateways can dial", async () => {
  for (
    const url of ["10.0.0.3:8080", "http://", "http://h/path", "ws://h:1"]
  ) {
    const toml =
      `cluster.advertise = "${url}"\nbehind_proxy.trusted = ["10.1.2.3"]`;
    expect((await problem(toml))[0]).toContain(
      "expected a URL such as http://10.0.0.3:8080, without a path",
    );
  }
  const advertise = ["http://gw1:8080", "https://[fd00::3]"]
    .map((url) => read({ tls: TLS, cluster: { advertise: url } }).advertise);
  expect(advertise).toEqual(["ws://gw1:8080", "wss://[fd00::3]"]);
});

test("gatewayConfig() trusts migasfree's header unless told another", () => {
  const { door } = read({ behind_proxy: { trusted: ["127.0.0.1"] } });
  expect(door.tag === "behindProxy" && door.identityHeader)
    .toBe("X-SSL-Client-CN");
});

test("gatewayConfigSchema wants one door, and shows how it looks", async () => {
  expect(await problem("")).toEqual([
    '"tls" is missing, expected this table, or [behind_proxy], ' +
    "to say who speaks TLS",
    'Write for example: [tls], cert_file = "gateway.pem", ' +
    'key_file = "gateway.key", client_ca_file = "ca.pem"',
  ]);
});

test("gatewayConfigSchema refuses two doors", async () => {
  const toml = `behind_proxy.trusted = ["127.0.0.1"]
[tls]
cert_file = "a"
key_file = "b"
client_ca_file = "c"`;
  expect(await problem(toml)).toEqual([
    '"behind_proxy" is a table, expected no such table beside [tls]',
    "Remove [tls], or [behind_proxy]: only one of them speaks TLS",
  ]);
});

test("gatewayConfigSchema refuses values that cannot work", async () => {
  const door = 'behind_proxy.trusted = ["127.0.0.1"]\n';
  const address = "expected an address such as 127.0.0.1:8443 or [::1]:8443";
  const cases = [
    [`${door}listen = "8443"`, `"listen" is "8443", ${address}`],
    [
      `${door}public_url = "ws://gw.example.org"`,
      '"public_url" is "ws://gw.example.org", ' +
      "expected a URL such as wss://gw.example.org:8443/tunnel",
    ],
    [
      "behind_proxy.trusted = []",
      '"behind_proxy.trusted" is a list, expected at least 1 entry',
    ],
    [
      'behind_proxy.trusted = ["10.0.0.0/33"]',
      '"behind_proxy.trusted[0]" is "10.0.0.0/33", ' +
      "expected addresses such as 127.0.0.1/32 or 10.0.0.0/8",
    ],
    [
      `${door}behind_proxy.identity_header = "X-A: b"`,
      '"behind_proxy.identity_header" is "X-A: b", ' +
      "expected the name of a header",
    ],
    [
      'tls.cert_file = "a"\ntls.key_file = "b"',
      '"tls.client_ca_file" is missing, expected text in quotes',
    ],
    [
      `${door}heartbeat.interval_ms = 42000`,
      '"heartbeat.timeout_ms" is missing, ' +
      "expected more than heartbeat.interval_ms",
    ],
    [
      `${door}limits.links_max = 0`,
      '"limits.links_max" is 0, expected at least 1',
    ],
  ];
  const found = [];
  for (const [toml = ""] of cases) found.push([toml, (await problem(toml))[0]]);
  expect(found).toEqual(cases);
});

test("gatewayConfigSchema can be filled from the environment alone", async () => {
  await using folder = await ConfigFolder.make();
  const { config } = await folder.load(gatewayConfigSchema, "", {
    X_BEHIND_PROXY_TRUSTED: "10.0.0.0/8,::1",
    X_METRICS_LISTEN: "127.0.0.1:0",
    X_HEARTBEAT_INTERVAL_MS: "1000",
    X_LIMITS_LINKS_MAX: "7",
  });
  const { door, heartbeat, isMetricsListenExplicit, limits, metricsListen } =
    gatewayConfig(config);
  expect({
    trusted: door.tag === "behindProxy" && door.trusted.map(({ text }) => text),
    interval: heartbeat.interval_ms,
    isMetricsListenExplicit,
    linksMax: limits.linksMax,
    metricsListen,
  }).toEqual({
    trusted: ["10.0.0.0/8", "::1"],
    interval: 1_000,
    isMetricsListenExplicit: true,
    linksMax: 7,
    metricsListen: { host: "127.0.0.1", port: 0 },
  });
});
