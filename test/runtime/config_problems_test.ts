import { expect, test } from "bun:test";
import * as z from "zod/mini";
import { ConfigFolder } from "../support/config_folder.ts";

const addressSchema = z.string().check(z.regex(/:/, { error: "host:port" }));

const schema = z.strictObject({
  id: z.int().check(z.minimum(1), z.maximum(9), z.meta({ example: "id = 7" })),
  name: z.optional(z.string().check(z.minLength(2), z.maxLength(4))),
  format: z.optional(z.enum(["text", "json"])),
  loud: z.optional(z.boolean()),
  gateway: z.optional(
    z.string().check(z.startsWith("wss://", { error: "a wss:// URL" })),
  ),
  proxy: z.optional(
    z.string().check(
      z.startsWith("http://", { error: "an http:// URL" }),
      z.meta({ secret: true }),
    ),
  ),
  services: z.optional(z.record(
    z.string().check(z.regex(/^[a-z]+$/, { error: "lower-case letters" })),
    addressSchema,
  )),
  tls: z.optional(z.strictObject({
    cert_file: z.string(),
    crl_files: z.optional(z.array(z.string()).check(z.minLength(1))),
  })),
});

/** The sentence after the file's name, and the hint. */
async function said(
  toml: string,
  env: Record<string, string> = {},
): Promise<[problem: string, hint: string | undefined]> {
  await using folder = await ConfigFolder.make();
  const { message, hint } = await folder.fault(schema, toml, env);
  return [message.replace("Cannot read test settings FILE: ", ""), hint];
}

test("loadConfig() names key, what it found and what it expected", async () => {
  const cases: [toml: string, problem: string][] = [
    ["", '"id" is missing, expected a whole number'],
    ['id = "7"', '"id" is "7", expected a whole number'],
    ["id = 7.5", '"id" is 7.5, expected a whole number'],
    ["id = 0", '"id" is 0, expected at least 1'],
    ["id = 10", '"id" is 10, expected at most 9'],
    ["id = 1979-05-27", '"id" is a date, expected a whole number'],
    ["id = [7]", '"id" is a list, expected a whole number'],
    ["id = { a = 7 }", '"id" is a table, expected a whole number'],
    ["id = 7\nname = true", '"name" is true, expected text in quotes'],
    ['id = 7\nname = "a"', '"name" is "a", expected at least 2 characters'],
    [
      'id = 7\nname = "abcde"',
      '"name" is "abcde", expected at most 4 characters',
    ],
    ['id = 7\nformat = "xml"', '"format" is "xml", expected "text" or "json"'],
    ['id = 7\nloud = "yes"', '"loud" is "yes", expected true or false'],
    ["id = 7\ntls = 3", '"tls" is 3, expected a table'],
    ["id = 7\n[tls]", '"tls.cert_file" is missing, expected text in quotes'],
    [
      'id = 7\n[tls]\ncert_file = "a"\ncrl_files = "b"',
      '"tls.crl_files" is "b", expected a list in [ ]',
    ],
    [
      'id = 7\n[tls]\ncert_file = "a"\ncrl_files = []',
      '"tls.crl_files" is a list, expected at least 1 entry',
    ],
    [
      'id = 7\n[tls]\ncert_file = "a"\ncrl_files = ["b", 3]',
      '"tls.crl_files[1]" is 3, expected text in quotes',
    ],
    [
      'id = 7\n[services]\nSSH = "a:1"',
      '"services.SSH" is no name that can stand here, ' +
      "expected lower-case letters",
    ],
    [
      'id = 7\n[services]\nssh = "a"',
      '"services.ssh" is "a", expected host:port',
    ],
  ];
  const found = [];
  for (const [toml] of cases) found.push([toml, (await said(toml))[0]]);
  expect(found).toEqual(cases);
});

test("loadConfig() gives a line that would be right, or names the key", async () => {
  expect((await said(""))[1]).toBe("Write in FILE a line such as: id = 7");
  expect((await said('id = 7\nformat = "xml"'))[1])
    .toBe('Correct "format" in FILE');
});

test("loadConfig() names the nearest key of the same table", async () => {
  expect(await said('di = 7\n[tls]\ncertfile = "a"\ncert_file = "a"')).toEqual([
    '"tls.certfile" is not known, the nearest key is "tls.cert_file"; ' +
    '"di" is not known, the nearest key is "id"; ' +
    '"id" is missing, expected a whole number',
    'Write "tls.cert_file", or remove "tls.certfile"',
  ]);
});

test("loadConfig() says where a key belongs that is in the wrong table", async () => {
  expect(await said('id = 7\ncert_file = "a"')).toEqual([
    '"cert_file" is not known here, it belongs in [tls]',
    'Write "cert_file" in [tls]',
  ]);
  expect(await said('id = 7\n[tls]\ncert_file = "a"\nloud = true')).toEqual([
    '"tls.loud" is not known here, it belongs at the top of the file',
    'Write "loud" at the top of the file',
  ]);
});

test("loadConfig() sees a key that slipped under a table of free names", async () => {
  const toml = 'id = 7\n[services]\nproxy = "secret"\nname = "zz"';
  expect(await said(toml)).toEqual([
    '"services.proxy" has a value that is not shown here, ' +
    'expected host:port; "services.name" is "zz", expected host:port',
    'Write "proxy" above the first [table]',
  ]);
});

test("loadConfig() names the variable that a wrong value came from", async () => {
  expect(await said("id = 7", { X_ID: "many", X_TLS_CRL_FILES: "a" })).toEqual([
    'X_ID is "many", expected a whole number; ' +
    '"tls.cert_file" is missing, expected text in quotes',
    "Correct or unset X_ID",
  ]);
});

test("loadConfig() repeats no secret and no password in an address", async () => {
  const toml = 'id = 7\nproxy = "socks://user:secret@proxy"\n' +
    'gateway = "http://user:sec/ret@gateway"';
  expect((await said(toml))[0]).toBe(
    '"gateway" is "http://***@gateway", expected a wss:// URL; ' +
      '"proxy" has a value that is not shown here, expected an http:// URL',
  );
  const [problem] = await said("id = 7", { X_PROXY: "user:secret@proxy" });
  expect(problem)
    .toBe(
      "X_PROXY has a value that is not shown here, expected an http:// URL",
    );
});

test("loadConfig() shows hostile text as harmless text of a bounded length", async () => {
  const [problem] = await said(`id = "\\u001b[31m${"a".repeat(200)}"`);
  expect(problem)
    .toBe(`"id" is "?[31m${"a".repeat(74)}…", expected a whole number`);
});

test("loadConfig() tells eight problems and counts the rest", async () => {
  const keys = Array.from({ length: 10 }, (_none, index) => `zz${index} = 1`);
  const [problem] = await said(keys.join("\n"));
  expect(problem.split("; ").length).toBe(9);
  expect(problem.endsWith("; and 3 more")).toBe(true);
});
