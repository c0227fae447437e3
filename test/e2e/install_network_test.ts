import { afterAll, beforeAll, expect } from "bun:test";
import { readFile, writeFile } from "node:fs/promises";
import { InstallSite, noInstallRoot } from "../support/install_site.ts";
import { missingProgram, testUnless } from "../support/test_unless.ts";
import { startTinyproxy } from "../support/tinyproxy.ts";

function needs(...programs: readonly string[]) {
  return testUnless(
    noInstallRoot() ?? missingProgram("dash", "openssl", "xz", ...programs),
  );
}

/** Leaves `name` as the only program that can download. */
const ONLY: Readonly<Record<string, string>> = {
  curl: "rm -f $root/usr/bin/wget",
  wget: "rm -f $root/usr/bin/curl",
};

let site: InstallSite;
beforeAll(async () => {
  site = await InstallSite.create();
});
afterAll(async () => {
  await site[Symbol.asyncDispose]();
});

/** Runs it; that the other program has gone is no change of its. */
async function runWith(
  client: string,
  args: readonly string[] = [],
  env: Readonly<Record<string, string>> = {},
) {
  const before = ONLY[client] ?? "";
  const ended = await site.run(args, { before, env });
  const changes = ended.changes
    .filter((path) => !/^\/usr\/bin\/(?:curl|wget)$/.test(path));
  return { ...ended, changes };
}

function firstLine(output: string): string {
  return output.split("\n").find((line) =>
    line.includes("migasfree-agent: ")
  ) ??
    "";
}

for (const client of Object.keys(ONLY)) {
  needs(client)(`install.sh installs with ${client} alone`, async () => {
    const { changes, output, status } = await runWith(client);
    expect({ status, output }).toEqual({
      status: 0,
      output: expect.stringContaining("installed migasfree-agent 0\n"),
    });
    expect(changes).toContain("/usr/bin/migasfree-agent");
  });

  needs(client)(
    `install.sh says with ${client} what went wrong, and changes nothing`,
    async () => {
      await using other = await InstallSite.create();
      const failures: [number, string, string[]][] = [
        [13, "Cannot download ", ["--from", "https://localhost:1"]],
        [13, "Cannot download ", ["--ca", `${other.dir}/ca.pem`]],
        [14, "The server has no ", [
          "--from",
          `${site.url}/`,
          "--version",
          "9",
        ]],
      ];
      for (const [status, sentence, args] of failures) {
        const ended = await runWith(client, args);
        expect([ended.status, firstLine(ended.output)])
          .toEqual([status, expect.stringContaining(sentence)]);
        expect(ended.changes).toEqual([]);
      }
      const sums = await readFile(site.file("SHA256SUMS"), "utf8");
      await writeFile(site.file("SHA256SUMS"), `${sums}\n`);
      try {
        const ended = await runWith(client);
        expect([ended.status, ended.changes]).toEqual([15, []]);
      } finally {
        await writeFile(site.file("SHA256SUMS"), sums);
      }
    },
  );

  needs(client, "tinyproxy")(
    `install.sh goes by way of HTTPS_PROXY with ${client}`,
    async () => {
      await using proxy = await startTinyproxy();
      const url = `http://127.0.0.1:${proxy.port}`;
      const ended = await runWith(client, [], { HTTPS_PROXY: url });
      expect([ended.status, ended.output]).toEqual([
        0,
        expect.stringContaining("installed migasfree-agent 0\n"),
      ]);
      expect(proxy.output()).toContain(`CONNECT ${new URL(site.url).host}`);
      const dead = "http://127.0.0.1:1";
      const refused = await runWith(client, [], { HTTPS_PROXY: dead });
      expect([refused.status, refused.changes]).toEqual([13, []]);
      const env = { HTTPS_PROXY: dead, NO_PROXY: "localhost" };
      const direct = await runWith(client, [], env);
      expect(direct.status).toBe(0);
    },
  );
}

needs("wget")("install.sh follows no redirection with wget", async () => {
  await using redirector = redirectTo(site);
  const url = `https://localhost:${redirector.port}`;
  const ended = await runWith("wget", ["--from", url]);
  expect([ended.status, ended.changes]).toEqual([14, []]);
});

function redirectTo({ tls, url }: InstallSite) {
  const server = Bun.serve({
    port: 0,
    tls,
    fetch: (request) =>
      Response.redirect(`${url}${new URL(request.url).pathname}`),
  });
  return {
    port: server.port,
    [Symbol.asyncDispose]: async () => await server.stop(true),
  };
}
