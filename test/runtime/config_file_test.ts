import { expect, test } from "bun:test";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import * as z from "zod/mini";
import { Fault } from "../../src/protocol/fault.ts";
import { loadConfig } from "../../src/runtime/config_file.ts";
import { ConfigFolder } from "../support/config_folder.ts";
import { rejection } from "../support/rejection.ts";

const schema = z.strictObject({
  id: z._default(
    z.int().check(z.minimum(1), z.maximum(9), z.meta({ example: "id = 7" })),
    1,
  ),
  ca_file: z.optional(z.string()),
  state_dir: z.optional(z.string()),
  status_socket: z.optional(z.string()),
  motto: z.optional(z.string()),
  services: z._default(z.record(z.string(), z.string()), { ssh: "default" }),
  tls: z.optional(z.strictObject({
    cert_file: z.optional(z.string()),
    crl_files: z._default(z.array(z.string()), []),
  })),
});

function request(file: string | undefined, fileRequired: boolean) {
  const env = { X_ID: "3" };
  const envPrefix = "X_";
  const what = "test settings";
  return { schema, file, fileRequired, env, envPrefix, what };
}

test("loadConfig() reads the file, and the environment over it", async () => {
  await using folder = await ConfigFolder.make();
  const toml = `id = 7
motto = "from the file"
[services]
ssh = "a"
vnc = "b"`;
  const env = { X_MOTTO: "from outside", X_SERVICES_VNC: "c", X_NONO: "1" };
  expect(await folder.load(schema, toml, env)).toEqual({
    config: {
      id: 7,
      motto: "from outside",
      services: { ssh: "a", vnc: "c" },
    },
    warnings: [
      "Environment variable X_NONO is not known, the nearest is X_MOTTO",
    ],
  });
});

test("loadConfig() takes defaults of the environment where nothing else says anything", async () => {
  await using folder = await ConfigFolder.make();
  await writeFile(folder.file, 'motto = "from the file"');
  const { config, warnings } = await loadConfig({
    ...request(folder.file, true),
    envDefaults: {
      ...{ X_ID: "4", X_MOTTO: "default", X_TLS_CERT_FILE: "/default" },
      ...{ X_STATE_DIR: "", X_STATUS_SOCKET: undefined, X_OTHER: "?" },
    },
  });
  expect(config).toEqual({
    id: 3,
    motto: "from the file",
    services: { ssh: "default" },
    tls: { cert_file: "/default", crl_files: [] },
  });
  expect(warnings).toEqual([]);
});

test("loadConfig() lets the environment make a table that the file lacks", async () => {
  await using folder = await ConfigFolder.make();
  const env = { X_TLS_CERT_FILE: "cert.pem", X_SERVICES_WEB: "d" };
  expect((await folder.load(schema, "", env)).config).toEqual({
    id: 1,
    services: { web: "d" },
    tls: { cert_file: "cert.pem", crl_files: [] },
  });
});

test("loadConfig() reads paths in the file as relative to its folder", async () => {
  await using folder = await ConfigFolder.make();
  const { dir } = folder;
  const toml = `ca_file = "pki/ca.pem"
state_dir = "../state"
status_socket = "/run/agent.sock"
motto = "pki/ca.pem"
tls = { cert_file = "cert.pem", crl_files = ["a.crl", "/b.crl"] }`;
  expect((await folder.load(schema, toml)).config).toEqual({
    id: 1,
    ca_file: join(dir, "pki/ca.pem"),
    state_dir: join(dir, "../state"),
    status_socket: "/run/agent.sock",
    motto: "pki/ca.pem",
    services: { ssh: "default" },
    tls: {
      cert_file: join(dir, "cert.pem"),
      crl_files: [`${dir}/a.crl`, "/b.crl"],
    },
  });
});

test("loadConfig() leaves paths of the environment as they are", async () => {
  await using folder = await ConfigFolder.make();
  const env = { X_CA_FILE: "ca.pem" };
  const { config } = await folder.load(schema, 'ca_file = "a.pem"', env);
  expect(config.ca_file).toBe("ca.pem");
});

test("loadConfig() does without a file, or without one that is optional", async () => {
  const config = { id: 3, services: { ssh: "default" } };
  const nowhere = "/nonexistent/test.toml";
  expect(await loadConfig(request(undefined, true)))
    .toEqual({ config, warnings: [] });
  expect(await loadConfig(request(nowhere, false)))
    .toEqual({ config, warnings: [] });
});

test("loadConfig() refuses a file that is required and not there", async () => {
  const error = await rejection(loadConfig(request("/nonexistent/x", true)));
  expect(error).toBeInstanceOf(Fault);
  expect(error).toMatchObject({
    code: "configInvalid",
    message: "Cannot read test settings /nonexistent/x: there is no such file",
    hint: "Check the path",
  });
});

test("loadConfig() refuses a directory, optional or not", async () => {
  await using folder = await ConfigFolder.make();
  const error = await rejection(loadConfig(request(folder.dir, false)));
  expect(error).toMatchObject({
    code: "configInvalid",
    message: `Cannot read test settings: ${folder.dir} is no regular file`,
  });
});

test("loadConfig() says where a file breaks TOML, and repeats none of it", async () => {
  await using folder = await ConfigFolder.make();
  const toml = 'id = 7\nmotto = "http://user:secret@proxy\nca_file = "secret"';
  await Bun.write(folder.file, toml);
  const error = await rejection(loadConfig(request(folder.file, true)));
  expect(error).toMatchObject({
    code: "configInvalid",
    message: `Cannot read test settings ${folder.file}: line 2, column 34: ` +
      "control characters are not allowed in strings",
  });
  expect(Bun.inspect(error, { depth: 8 })).not.toContain("user:secret");
});

test("loadConfig() refuses a file that is no UTF-8", async () => {
  await using folder = await ConfigFolder.make();
  const latin1 = Uint8Array.of(0x6d, 0x3d, 0x22, 0xe9, 0x22);
  expect(await folder.fault(schema, latin1)).toEqual({
    code: "configInvalid",
    message: "Cannot read test settings: FILE is no UTF-8 text",
    hint: "Save it as UTF-8",
  });
});

test("loadConfig() takes a file that begins with a byte order mark", async () => {
  await using folder = await ConfigFolder.make();
  expect((await folder.load(schema, "\ufeffid = 5")).config.id).toBe(5);
});

test("loadConfig() tells that the optional file was not there", async () => {
  const strict = z.strictObject({ id: z.int() });
  const error = await rejection(
    loadConfig({ ...request("/no/x.toml", false), schema: strict, env: {} }),
  );
  expect(error).toMatchObject({
    message: "Cannot read test settings (there is no /no/x.toml): " +
      '"id" is missing, expected a whole number',
    hint: 'Add "id" to /no/x.toml',
  });
});
