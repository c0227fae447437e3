import { expect, test } from "bun:test";
import {
  type AgentConfig,
  agentConfig,
  type AgentDefaults,
} from "../../src/agent/config.ts";
import { agentConfigSchema } from "../../src/agent/config_schema.ts";
import type { Discovered } from "../../src/agent/discover.ts";
import { EXEC_ALLOW_DEFAULT } from "../../src/agent/exec.ts";
import { ConfigFolder } from "../support/config_folder.ts";

const DEFAULTS = { name: "pc-7.example.org" };

function read(
  file: Record<string, unknown>,
  found?: Discovered,
  defaults: AgentDefaults = DEFAULTS,
): AgentConfig {
  const config = agentConfig(agentConfigSchema.parse(file), defaults, found);
  if (config) return config;
  throw new Error("Something is missing");
}

async function problem(toml: string): Promise<[string, string | undefined]> {
  await using folder = await ConfigFolder.make();
  const { message, hint } = await folder.fault(agentConfigSchema, toml);
  return [message.replace("Cannot read test settings FILE: ", ""), hint];
}

test("agentConfig() fills in every default", () => {
  expect(read({ device_id: 7, gateway: "wss://mf.example.org" })).toEqual({
    deviceId: 7,
    name: "pc-7.example.org",
    manager: undefined,
    gatewayUrl: "wss://mf.example.org/tunnel",
    protocol: "auto",
    caFile: undefined,
    certFile: undefined,
    keyFile: undefined,
    isCaAdded: false,
    isPairOptional: false,
    renewedFile: undefined,
    proxy: undefined,
    stateDir: "/var/lib/migasfree-agent",
    statusSocket: "/var/lib/migasfree-agent/agent.sock",
    logFormat: "text",
    tunnelsMax: 64,
    windowBudgetBytes: 64 * 1024 * 1024,
    services: new Map([
      ["ssh", { host: "127.0.0.1", port: 22 }],
      ["vnc", { host: "127.0.0.1", port: 5900 }],
      ["rdp", { host: "127.0.0.1", port: 3389 }],
    ]),
    detachMs: new Map(),
    exec: {
      allow: EXEC_ALLOW_DEFAULT,
      timeoutMs: 3_600_000,
      concurrentMax: 4,
    },
    debugInsecureTls: false,
  });
});

const FULL = Object.freeze({
  device_id: 7,
  name: "aula-12",
  manager: "https://mf.example.org:8443/",
  ca_file: "/pki/ca.pem",
  cert_file: "/pki/cert.pem",
  key_file: "/pki/key.pem",
  renew: true,
  proxy: "http://user:secret@proxy:3128",
  state_dir: "/srv/state/",
  log_format: "json",
  tunnels_max: 3,
  window_budget_bytes: 1024 * 1024,
  services: { ssh: "[::1]:2222", constructor: "printer.lan:9100" },
  detach_ms: { ssh: 1_800_000, exec: 0 },
  exec: {
    allow: [["migasfree", "*"]],
    timeout_ms: 60_000,
    concurrent_max: 1,
  },
  debug_insecure_tls: true,
});

test("agentConfig() takes over what the file says", () => {
  expect(read(FULL)).toEqual({
    deviceId: 7,
    name: "aula-12",
    manager: "https://mf.example.org:8443",
    gatewayUrl: undefined,
    protocol: "auto",
    caFile: "/pki/ca.pem",
    certFile: "/pki/cert.pem",
    keyFile: "/pki/key.pem",
    isCaAdded: false,
    isPairOptional: false,
    renewedFile: "/srv/state/renewed.pem",
    proxy: "http://user:secret@proxy:3128",
    stateDir: "/srv/state/",
    statusSocket: "/srv/state/agent.sock",
    logFormat: "json",
    tunnelsMax: 3,
    windowBudgetBytes: 1024 * 1024,
    services: new Map([
      ["ssh", { host: "::1", port: 2222 }],
      ["constructor", { host: "printer.lan", port: 9100 }],
    ]),
    detachMs: new Map([["ssh", 1_800_000], ["exec", 0]]),
    exec: {
      allow: [["migasfree", "*"]],
      timeoutMs: 60_000,
      concurrentMax: 1,
    },
    debugInsecureTls: true,
  });
});

test("agentConfig() takes the machine's own places where the file names none", () => {
  const file = { "device_id": 7, gateway: "wss://mf" };
  const { name, stateDir, statusSocket } = read(file, undefined, {
    name: "n".repeat(200),
    stateDir: "C:\\ProgramData\\migasfree-agent",
    statusSocket: "\\\\.\\pipe\\migasfree-agent",
  });
  expect({ name, stateDir, statusSocket }).toEqual({
    name: "n".repeat(128),
    stateDir: "C:\\ProgramData\\migasfree-agent",
    statusSocket: "\\\\.\\pipe\\migasfree-agent",
  });
});

test("agentConfig() offers nothing if the services are an empty table", () => {
  const { services } = read({
    device_id: 7,
    gateway: "wss://mf",
    services: {},
  });
  expect(services).toEqual(new Map());
});

test("agentConfigSchema allows plain addresses on this computer, or to debug", () => {
  expect(read({ device_id: 7, gateway: "ws://127.0.0.1:8080" }).gatewayUrl)
    .toBe("ws://127.0.0.1:8080/tunnel");
  expect(read({ device_id: 7, manager: "http://localhost:8080" }).manager)
    .toBe("http://localhost:8080");
  const { gatewayUrl, manager } = read({
    device_id: 7,
    gateway: "ws://mf",
    manager: "http://mf",
    debug_insecure_tls: true,
  });
  expect([gatewayUrl, manager]).toEqual(["ws://mf/tunnel", "http://mf"]);
});

test("agentConfigSchema refuses plain addresses elsewhere", async () => {
  const toml = 'device_id = 7\ngateway = "ws://mf"\nmanager = "http://mf"';
  expect(await problem(toml)).toEqual([
    '"gateway" is "ws://mf", expected wss:// for another computer; ' +
    '"manager" is "http://mf", expected https:// for another computer',
    'Write a line such as: gateway = "wss://mf.example.org/tunnel"',
  ]);
});

test("agentConfigSchema refuses values that cannot work", async () => {
  const ok = 'device_id = 7\ngateway = "wss://mf"\n';
  const gateway = "expected a URL such as wss://mf.example.org/tunnel";
  const cases = [
    [
      'device_id = 0\ngateway = "wss://mf"',
      '"device_id" is 0, expected at least 1',
    ],
    [
      'device_id = 7\ngateway = "https://mf"',
      `"gateway" is "https://mf", ${gateway}`,
    ],
    [
      'device_id = 7\nmanager = "https://mf/manager"',
      '"manager" is "https://mf/manager", ' +
      "expected a URL such as https://mf.example.org",
    ],
    [
      `${ok}cert_file = "/a"`,
      '"key_file" is missing, expected the key of cert_file',
    ],
    [
      `${ok}key_file = "/a"`,
      '"cert_file" is missing, expected the certificate of key_file',
    ],
    [
      `${ok}proxy = "user:secret@proxy:3128"`,
      '"proxy" has a value that is not shown here, ' +
      "expected a URL such as http://user:password@proxy:3128",
    ],
    [
      `${ok}services.ssh = "127.0.0.1:0"`,
      '"services.ssh" is "127.0.0.1:0", ' +
      "expected an address such as 127.0.0.1:8443 or [::1]:8443",
    ],
    [
      `${ok}services.SSH = "127.0.0.1:22"`,
      '"services.SSH" is no name that can stand here, ' +
      "expected a lower-case letter, then letters, digits, - or _",
    ],
    [`${ok}ca_file = ""`, '"ca_file" is "", expected a path'],
    [
      `${ok}exec.allow = [[]]`,
      '"exec.allow[0]" is a list, expected at least 1 entry',
    ],
    ...["*", "bin/sh", "..\\\\sh"].map((program) => [
      `${ok}exec.allow = [["${program}", "x"]]`,
      '"exec.allow[0]" is a list, ' +
      "expected a program's name or whole path, then its words",
    ]),
    [
      `${ok}services.exec = "127.0.0.1:22"`,
      '"services.exec" is no name that can stand here, ' +
      "expected another name: exec is the remote command, see [exec]",
    ],
  ];
  const found = [];
  for (const [toml = ""] of cases) found.push([toml, (await problem(toml))[0]]);
  expect(found).toEqual(cases);
});

test("agentConfigSchema takes a detach time for a service that there is", async () => {
  const cases: [string, string][] = [
    [
      "shell = 1000",
      '"detach_ms.shell" is 1000, expected a name of [services]',
    ],
    ["ssh = 1800001", '"detach_ms.ssh" is 1800001, expected at most 1800000'],
  ];
  for (const [line, said] of cases) {
    const toml = `device_id = 7\ngateway = "wss://mf"\ndetach_ms.${line}`;
    expect((await problem(toml))[0]).toBe(said);
  }
});

test("agentConfigSchema bounds the number of services", () => {
  const services = Object.fromEntries(
    Array.from({ length: 32 }, (_none, index) => [`s${index}`, "127.0.0.1:1"]),
  );
  const { error } = agentConfigSchema.safeParse({
    device_id: 7,
    gateway: "wss://mf",
    services,
  });
  expect(error?.issues.map(({ message }) => message))
    .toEqual(["at most 31 services"]);
});
