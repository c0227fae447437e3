import { expect, test } from "bun:test";
import {
  operatorConfig,
  type OperatorFlags,
} from "../../src/connect/config.ts";
import { Fault } from "../../src/protocol/fault.ts";
import { rejection } from "../support/rejection.ts";

const ROOT = "/home/ana/.migasfree-connect";
const COMPLETE = ["ca.pem", "cert.pem", "key.pem"];

/** What came of it, and what was imported on the way, into which folder. */
async function find(
  flags: OperatorFlags,
  files: Readonly<Record<string, readonly string[]>>,
) {
  const folders = new Map(Object.entries(files));
  const imports: string[][] = [];
  const config = await operatorConfig(flags, {
    home: "/home/ana",
    env: {},
    listFolder: (path) => Promise.resolve(folders.get(path) ?? []),
    importBundle: (path, folder) => {
      imports.push([path, folder]);
      folders.set(folder, COMPLETE);
      return Promise.resolve();
    },
  });
  const { caFile, certFile, gatewayUrl, keyFile } = config;
  return { files: [caFile, certFile, keyFile], gatewayUrl, imports };
}

const MF_FILES = ["ca", "cert", "key"].map((name) => `${ROOT}/mf/${name}.pem`);

test("item 53: operatorConfig() imports the only .p12 of the site's folder", async () => {
  const files = { [`${ROOT}/mf`]: ["ana.P12", ".ana.p12.x", "known_hosts"] };
  expect(await find({ gateway: "mf:8443" }, files)).toEqual({
    files: MF_FILES,
    gatewayUrl: "wss://mf:8443/tunnel",
    imports: [[`${ROOT}/mf/ana.P12`, `${ROOT}/mf`]],
  });
});

test("item 53: operatorConfig() imports the only .p12 above the site's folder", async () => {
  const files = { [ROOT]: ["ana.p12", "mf"], [`${ROOT}/mf`]: ["known_hosts"] };
  expect(await find({ gateway: "mf" }, files)).toEqual({
    files: MF_FILES,
    gatewayUrl: "wss://mf/tunnel",
    imports: [[`${ROOT}/ana.p12`, `${ROOT}/mf`]],
  });
});

test("operatorConfig() takes a folder with a .p12 for a site", async () => {
  const files = { [ROOT]: ["mf"], [`${ROOT}/mf`]: ["ana.pfx"] };
  expect(await find({}, files)).toMatchObject({
    gatewayUrl: "wss://mf/tunnel",
    imports: [[`${ROOT}/mf/ana.pfx`, `${ROOT}/mf`]],
  });
});

test("operatorConfig() imports nothing where a certificate is there, or given", async () => {
  const there = { [`${ROOT}/mf`]: ["ana.p12", ...COMPLETE] };
  expect((await find({ gateway: "mf" }, there)).imports).toEqual([]);
  const given = { gateway: "mf", cert: "a.pem", key: "b.pem" };
  const bare = { [`${ROOT}/mf`]: ["ana.p12"] };
  expect((await find(given, bare)).imports).toEqual([]);
});

test("operatorConfig() does not choose among several .p12", async () => {
  const files = { [`${ROOT}/mf`]: ["b.p12", "a\u001b.p12"] };
  const fault = Fault.from(await rejection(find({ gateway: "mf" }, files)));
  expect([fault.code, fault.message, fault.hint]).toEqual([
    "usageInvalid",
    `Cannot choose a PKCS#12 file: ${ROOT}/mf has a?.p12, b.p12`,
    "Run `migasfree-agent operator import FILE --gateway HOST`",
  ]);
});
