import { expect, test } from "bun:test";
import { parseMigasfreeConf } from "../../src/agent/migasfree_conf.ts";
import { Fault } from "../../src/protocol/fault.ts";

/** As migasfree-client 5 prints it. */
const CONF = {
  server: "mf.example.org",
  project: "debian-13",
  "computer_name": "aula-12",
  user: "root",
  uuid: "4C4C4544-0031-3010-8052-B4C04F4A3233",
  "api_protocol": "https",
  "manage_devices": true,
  "ca_file": "/var/migasfree-client/mtls/mf.example.org/ca.pem",
};

function parse(conf: object, mayBePlain = false) {
  return parseMigasfreeConf(JSON.stringify(conf), mayBePlain);
}

/** What is wrong with `stdout`. */
function problem(stdout: string): string {
  try {
    return `none: ${JSON.stringify(parseMigasfreeConf(stdout, false))}`;
  } catch (error) {
    const { code, message } = Fault.from(error);
    return `${code}: ${message}`;
  }
}

const START = "configInvalid: " +
  "Cannot use what `migasfree conf --json` printed: ";

test("parseMigasfreeConf() reads what migasfree-client prints", () => {
  const folder = "/var/migasfree-client/mtls/mf.example.org";
  expect(parse({ ...CONF, port: 443, later: { nested: [1] } })).toEqual({
    manager: "https://mf.example.org",
    name: "aula-12",
    caFile: `${folder}/ca.pem`,
    certFile: `${folder}/cert.pem`,
    keyFile: `${folder}/key.pem`,
    warnings: [],
  });
});

test("item 1: parseMigasfreeConf() has migasfree's defaults for what is not there", () => {
  const bare = {
    manager: "https://localhost",
    name: undefined,
    caFile: undefined,
    certFile: undefined,
    keyFile: undefined,
    warnings: [],
  };
  const empty = { server: "", "computer_name": " ", "ca_file": "" };
  const none = { server: null, "computer_name": null, "ca_file": null };
  expect([parse({}), parse(empty), parse({ ...none, "api_protocol": null })])
    .toEqual([bare, bare, bare]);
});

const SERVERS = [
  // server, api_protocol, manager
  ["mf.example.org", "https", "https://mf.example.org"],
  ["mf.example.org", undefined, "https://mf.example.org"],
  ["mf.example.org", "gopher", "https://mf.example.org"],
  ["  MF.Example.org\n", "https", "https://mf.example.org"],
  ["mf.example.org:8443", "https", "https://mf.example.org:8443"],
  ["mf.example.org:443", "https", "https://mf.example.org"],
  ["10.0.0.5", "https", "https://10.0.0.5"],
  ["[2001:db8::5]:8443", "https", "https://[2001:db8::5]:8443"],
  ["https://mf.example.org", "http", "https://mf.example.org"],
  ["https://mf.example.org:8443/", "https", "https://mf.example.org:8443"],
  ["https://mf.example.org/api/v1?x=1", "https", "https://mf.example.org"],
  ["localhost", "http", "http://localhost"],
  ["127.0.0.1:8080", "HTTP", "http://127.0.0.1:8080"],
  ["http://[::1]:8080", "https", "http://[::1]:8080"],
] as const;

test("parseMigasfreeConf() takes each way to name a server", () => {
  const found = SERVERS.map(([server, protocol]) => [
    server,
    protocol,
    parse({ server, "api_protocol": protocol }).manager,
  ]);
  expect(found).toEqual(SERVERS.map((row) => [...row]));
});

test("parseMigasfreeConf() asks another computer by https, and says so", () => {
  const cases = [
    ["mf.example.org", "https://mf.example.org"],
    ["http://mf.example.org", "https://mf.example.org"],
    ["http://mf.example.org:80", "https://mf.example.org"],
    ["http://mf.example.org:8080", "https://mf.example.org:8080"],
    ["127.0.0.1.example.org", "https://127.0.0.1.example.org"],
  ] as const;
  for (const [server, manager] of cases) {
    const conf = parse({ server, "api_protocol": "http" });
    expect([conf.manager, conf.warnings]).toEqual([manager, [
      "migasfree's configuration says http: " +
      `the manager is asked at ${manager} all the same`,
    ]]);
  }
});

test("parseMigasfreeConf() asks by http where that is allowed to debug", () => {
  const conf = parse(
    { server: "mf.example.org", "api_protocol": "http" },
    true,
  );
  expect([conf.manager, conf.warnings]).toEqual(["http://mf.example.org", []]);
});

test("parseMigasfreeConf() finds certificate and key beside the CA", () => {
  const cases = [
    ["/ca.pem", "/cert.pem", "/key.pem"],
    // On Linux a backslash is a letter.
    ["/a/b\\c/ca.pem", "/a/b\\c/cert.pem", "/a/b\\c/key.pem"],
    [
      "C:\\ProgramData\\migasfree-client\\mtls\\mf\\ca.pem",
      "C:\\ProgramData\\migasfree-client\\mtls\\mf\\cert.pem",
      "C:\\ProgramData\\migasfree-client\\mtls\\mf\\key.pem",
    ],
    ["d:/mtls/ca.pem", "d:/mtls/cert.pem", "d:/mtls/key.pem"],
    ["\\\\nas\\pki\\ca.pem", "\\\\nas\\pki\\cert.pem", "\\\\nas\\pki\\key.pem"],
  ];
  const found = cases.map(([path]) => {
    const { caFile, certFile, keyFile } = parse({ "ca_file": path });
    return [caFile, certFile, keyFile];
  });
  expect(found).toEqual(cases);
});

test("parseMigasfreeConf() makes a hostile name harmless, and cuts it", () => {
  const { name } = parse({ "computer_name": `\u001b[2J${"n".repeat(500)}` });
  expect(name).toBe(`?[2J${"n".repeat(123)}…`);
});

test("parseMigasfreeConf() refuses what is no JSON object", () => {
  const texts = ["", " ", "{", "null", "7", '"mf"', "[]", "{}{}", "Usage: …"];
  const found = texts.map(problem);
  expect(found).toEqual(texts.map(() => `${START}it is no JSON object`));
});

test("parseMigasfreeConf() refuses odd values, and shows them harmless", () => {
  const long = "x".repeat(5_000);
  const cases: [object, string][] = [
    [{ server: 7 }, 'odd "server"'],
    [{ server: ["mf"] }, 'odd "server"'],
    [{ server: long }, 'odd "server"'],
    [{ "ca_file": true }, 'odd "ca_file"'],
    [{ "ca_file": `/${long}` }, 'odd "ca_file"'],
    [{ "computer_name": {} }, 'odd "computer_name"'],
    [{ "api_protocol": 1 }, 'odd "api_protocol"'],
    [{ server: "ftp://mf" }, 'server "ftp://mf" is no address'],
    [{ server: "mf:99999" }, 'server "mf:99999" is no address'],
    [{ server: "m f" }, 'server "m f" is no address'],
    [{ server: "m\tf" }, 'server "m?f" is no address'],
    [{ server: "://" }, 'server "://" is no address'],
    [{ server: "root:hunter2@mf" }, 'server "***@mf" is no address'],
    [{ "ca_file": "ca.pem" }, 'ca_file "ca.pem" is no whole path'],
    [{ "ca_file": "/var/mtls/" }, 'ca_file "/var/mtls/" is no whole path'],
    [{ "ca_file": "/a\0b/ca" }, 'ca_file "/a?b/ca" is no whole path'],
    [{ "ca_file": "\u001b[2J" }, 'ca_file "?[2J" is no whole path'],
  ];
  const found = cases.map(([conf]) => problem(JSON.stringify(conf)));
  expect(found).toEqual(cases.map(([, fact]) => START + fact));
});

test("parseMigasfreeConf() is not led astray by names of JavaScript's own", () => {
  const text =
    '{"__proto__":{"server":"evil"},"constructor":{"server":"evil"}}';
  expect(parseMigasfreeConf(text, false).manager).toBe("https://localhost");
});

test("parseMigasfreeConf() survives JSON that is nested as deep as can be", () => {
  const depth = 30_000;
  const text = `${"[".repeat(depth)}${"]".repeat(depth)}`;
  expect(problem(text)).toBe(`${START}it is no JSON object`);
  expect(parseMigasfreeConf(`{"x":${text}}`, false).manager)
    .toBe("https://localhost");
});
