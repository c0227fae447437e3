import { expect, test } from "bun:test";
import {
  type OperatorConfig,
  operatorConfig,
  type OperatorFlags,
} from "../../src/connect/config.ts";
import { Fault } from "../../src/protocol/fault.ts";
import { rejection } from "../support/rejection.ts";

const ROOT = "/home/ana/.migasfree-connect";

const COMPLETE = ["ca.pem", "cert.pem", "key.pem"];

interface Home {
  /** Names of what is in each folder below {@linkcode ROOT}. */
  readonly sites?: Readonly<Record<string, readonly string[]>>;
  readonly env?: Readonly<Record<string, string>>;
  /** What is imported becomes these files. */
  readonly imported?: string[];
}

function find(flags: OperatorFlags, home: Home): Promise<OperatorConfig> {
  const { env = {}, imported = [], sites = {} } = home;
  const folders = new Map(
    Object.entries(sites).map(([name, files]) => [`${ROOT}/${name}`, files]),
  );
  folders.set(ROOT, Object.keys(sites));
  return operatorConfig(flags, {
    home: "/home/ana/",
    env,
    listFolder: (path) => Promise.resolve(folders.get(path) ?? []),
    importBundle: (path, folder) => {
      imported.push(path);
      folders.set(folder, COMPLETE);
      return Promise.resolve();
    },
  });
}

async function refused(flags: OperatorFlags, home: Home) {
  const fault = Fault.from(await rejection(find(flags, home)));
  return [fault.code, fault.message, fault.hint];
}

test("operatorConfig() goes by the flags, and then by nothing else", async () => {
  const flags = {
    gateway: "mf:8443",
    ca: "a.pem",
    cert: "b.pem",
    key: "c.pem",
  };
  const env = {
    MIGASFREE_CONNECT_GATEWAY: "other",
    MIGASFREE_CONNECT_CA: "x",
    MIGASFREE_CONNECT_CERT: "x",
    MIGASFREE_CONNECT_KEY: "x",
  };
  expect(await find(flags, { env, sites: { mf: COMPLETE } })).toEqual({
    gatewayUrl: "wss://mf:8443/tunnel",
    caFile: "a.pem",
    isCaAdded: false,
    certFile: "b.pem",
    keyFile: "c.pem",
    folder: `${ROOT}/mf`,
    proxy: undefined,
  });
});

test("operatorConfig() goes by the environment where there is no flag", async () => {
  const env = {
    MIGASFREE_CONNECT_GATEWAY: "mf",
    MIGASFREE_CONNECT_CA: "",
    MIGASFREE_CONNECT_CERT: "b.pem",
    MIGASFREE_CONNECT_KEY: "c.pem",
    MIGASFREE_CONNECT_PROXY: "http://proxy:3128",
  };
  expect(await find({ key: "d.pem" }, { env })).toEqual({
    gatewayUrl: "wss://mf/tunnel",
    caFile: undefined,
    isCaAdded: true,
    certFile: "b.pem",
    keyFile: "d.pem",
    folder: `${ROOT}/mf`,
    proxy: "http://proxy:3128",
  });
});

test("operatorConfig() takes the rest from the folder of the gateway's host", async () => {
  const sites = { mf: COMPLETE, other: COMPLETE };
  expect(await find({ gateway: "wss://mf:8443/tunnel" }, { sites })).toEqual({
    gatewayUrl: "wss://mf:8443/tunnel",
    caFile: `${ROOT}/mf/ca.pem`,
    isCaAdded: true,
    certFile: `${ROOT}/mf/cert.pem`,
    keyFile: `${ROOT}/mf/key.pem`,
    folder: `${ROOT}/mf`,
    proxy: undefined,
  });
});

test("operatorConfig() shows no certificate where that is asked for", async () => {
  const sites = { mf: COMPLETE };
  const flags = { gateway: "mf", isNobody: true, cert: "b.pem" };
  const { certFile, keyFile, caFile } = await find(flags, { sites });
  expect([certFile, keyFile, caFile])
    .toEqual([undefined, undefined, `${ROOT}/mf/ca.pem`]);
});

test("operatorConfig() names no CA where the folder holds none", async () => {
  const sites = { mf: ["cert.pem", "key.pem"] };
  expect((await find({ gateway: "mf" }, { sites })).caFile).toBeUndefined();
});

test("operatorConfig() takes the only site there is as the gateway", async () => {
  const sites = {
    "mf.example.org": COMPLETE,
    "known_hosts": [],
    ".trash": COMPLETE,
    "no/host": COMPLETE,
    "empty.example.org": [],
  };
  const { certFile, gatewayUrl } = await find({}, { sites });
  expect([gatewayUrl, certFile]).toEqual([
    "wss://mf.example.org/tunnel",
    `${ROOT}/mf.example.org/cert.pem`,
  ]);
});

test("operatorConfig() lists the sites if it would have to choose", async () => {
  const sites = { "b.example.org": COMPLETE, "a.example.org": COMPLETE };
  expect(await refused({}, { sites })).toEqual([
    "usageInvalid",
    `Cannot choose a gateway: ${ROOT} knows a.example.org, b.example.org`,
    "Write --gateway a.example.org",
  ]);
});

test("operatorConfig() names eight sites and counts the rest", async () => {
  const names = Array.from({ length: 11 }, (_none, index) => `s${10 + index}`);
  const sites = Object.fromEntries(names.map((name) => [name, COMPLETE]));
  const [, message] = await refused({}, { sites });
  expect(message).toBe(
    `Cannot choose a gateway: ${ROOT} knows ` +
      `${names.slice(0, 8).join(", ")}, 3 more`,
  );
});

test("operatorConfig() says what to do if no gateway is known", async () => {
  expect(await refused({}, {})).toEqual([
    "usageInvalid",
    `Cannot find a gateway: none was named, and ${ROOT} knows none`,
    "Write --gateway wss://mf.example.org/tunnel",
  ]);
});

test("operatorConfig() says how to get a certificate if there is none", async () => {
  const hint =
    "Import yours with `migasfree-agent operator import FILE.p12`, " +
    "or ask the site's administrator for one";
  expect(await refused({ gateway: "mf" }, {})).toEqual([
    "usageInvalid",
    "Cannot find the operator's certificate: " +
    `there is no --cert and no ${ROOT}/mf/cert.pem`,
    hint,
  ]);
  expect(await refused({ gateway: "mf", cert: "a.pem" }, {})).toEqual([
    "usageInvalid",
    "Cannot find the operator's key: " +
    `there is no --key and no ${ROOT}/mf/key.pem`,
    hint,
  ]);
});

test("operatorConfig() reads a gateway in each way people write it", async () => {
  const files = { cert: "b.pem", key: "c.pem" };
  const written = [
    "mf",
    "mf:8443",
    "https://mf",
    "HTTPS://mf:8443/",
    "wss://mf/tunnel",
    "[::1]:8443",
    "http://127.0.0.1:8080",
  ];
  const read = [];
  for (const gateway of written) {
    read.push((await find({ ...files, gateway }, {})).gatewayUrl);
  }
  expect(read).toEqual([
    "wss://mf/tunnel",
    "wss://mf:8443/tunnel",
    "wss://mf/tunnel",
    "wss://mf:8443/tunnel",
    "wss://mf/tunnel",
    "wss://[::1]:8443/tunnel",
    "ws://127.0.0.1:8080/tunnel",
  ]);
});

test("operatorConfig() refuses what is no gateway, and hides a password", async () => {
  const shown = [];
  for (const gateway of ["", "http://mf", "ftp://mf", "mf/x", "wss://u:p@mf"]) {
    const [code, message] = await refused({ gateway }, {});
    shown.push([code, message?.replace(/: it is no host.*/, "")]);
  }
  expect(shown).toEqual([
    ["usageInvalid", "Cannot use gateway "],
    ["usageInvalid", "Cannot use gateway http://mf"],
    ["usageInvalid", "Cannot use gateway ftp://mf"],
    ["usageInvalid", "Cannot use gateway mf/x"],
    ["usageInvalid", "Cannot use gateway wss://***@mf"],
  ]);
});
