import { afterEach, beforeEach, expect } from "bun:test";
import { readFile, rm, writeFile } from "node:fs/promises";
import { InstallSite, noInstallRoot } from "../support/install_site.ts";
import { missingProgram, testUnless } from "../support/test_unless.ts";

const testHere = testUnless(
  noInstallRoot() ?? missingProgram("dash", "curl", "openssl", "xz"),
);

let site: InstallSite;
beforeEach(async () => {
  site = await InstallSite.create();
});
afterEach(async () => {
  await site[Symbol.asyncDispose]();
});

/** Expects a failure, before anything has changed. */
async function expectFailure(
  status: number,
  sentence: string,
  args: readonly string[] = [],
  options: Parameters<InstallSite["run"]>[1] = {},
): Promise<void> {
  const ended = await site.run(args, options);
  const said = ended.output.split("\n")
    .find((line) => line.startsWith("migasfree-agent: "));
  expect({ status: ended.status, said, changes: ended.changes }).toEqual({
    status,
    said: expect.stringContaining(sentence),
    changes: [],
  });
}

testHere("install.sh refuses checksums that somebody has changed", async () => {
  await writeFile(
    site.file("SHA256SUMS"),
    `${await readFile(site.file("SHA256SUMS"), "utf8")}\n`,
  );
  await expectFailure(15, "The signature of ");
});

testHere("install.sh refuses the signature of another key", async () => {
  await using other = await InstallSite.create();
  await writeFile(
    site.file("SHA256SUMS.sig"),
    await readFile(other.file("SHA256SUMS.sig")),
  );
  await expectFailure(15, "The signature of ");
});

testHere(
  "install.sh refuses a signature that is empty, or no signature",
  async () => {
    for (const text of ["", "x", "x".repeat(64)]) {
      await writeFile(site.file("SHA256SUMS.sig"), text);
      await expectFailure(15, "The signature of ");
    }
  },
);

testHere(
  "install.sh refuses an archive that somebody has changed",
  async () => {
    const path = site.file(await site.archiveName());
    const bytes = await readFile(path);
    bytes[bytes.length >> 1] = (bytes[bytes.length >> 1] ?? 0) ^ 1;
    await writeFile(path, bytes);
    await expectFailure(16, "The checksum of ");
  },
);

testHere("install.sh refuses an archive that was cut", async () => {
  const path = site.file(await site.archiveName());
  await writeFile(path, (await readFile(path)).subarray(0, -1));
  await expectFailure(16, "The checksum of ");
});

testHere("install.sh says what the server has not", async () => {
  await expectFailure(14, "The server has no migasfree-agent 9.9.9 for", [
    "--version",
    "9.9.9",
  ]);
  await rm(site.file(await site.archiveName()));
  await expectFailure(14, "The server has no https://localhost:");
  await rm(site.file("SHA256SUMS"));
  await expectFailure(14, "The server has no https://localhost:");
});

testHere("install.sh says that the server is out of reach", async () => {
  await expectFailure(13, "Cannot download https://localhost:1/", [
    "--from",
    "https://localhost:1",
  ]);
  await expectFailure(13, "Cannot download https://nowhere.invalid/", [
    "--from",
    "https://nowhere.invalid/tunnel",
  ]);
});

testHere(
  "install.sh does not believe a server whose CA it does not know",
  async () => {
    await using other = await InstallSite.create();
    await expectFailure(13, "Cannot download ", [
      "--ca",
      `${other.dir}/ca.pem`,
    ]);
  },
);

testHere("install.sh goes by https: and nothing else", async () => {
  for (const from of ["http://localhost/", "ftp://localhost", "/tmp", "x"]) {
    await expectFailure(64, "only https://", ["--from", from]);
  }
});

testHere("install.sh follows no redirection to http:", async () => {
  // What is there is good, and would be installed by way of https:.
  let asked = 0;
  await using plain = serve(undefined, async (request) => {
    asked++;
    return new Response(await site.read(request.url));
  });
  await using redirector = serve(site.tls, (request) => {
    const { pathname } = new URL(request.url);
    return Response.redirect(`http://localhost:${plain.port}${pathname}`);
  });
  const url = `https://localhost:${redirector.port}`;
  await expectFailure(13, "Cannot download ", ["--from", url]);
  expect(asked).toBe(0);
});

testHere("install.sh has no option that leaves verification out", async () => {
  for (const flag of ["--insecure", "--no-verify", "--force", "-k"]) {
    await expectFailure(64, `There is no option ${flag}`, [flag]);
  }
  await expectFailure(64, "--purge goes with --uninstall", ["--purge"]);
  await expectFailure(64, "--from needs a value", ["--from"]);
});

testHere(
  "install.sh says that there is no room, and leaves none of it",
  async () => {
    await expectFailure(17, "Cannot install: ", [], { kilobytes: 600 });
  },
);

testHere("install.sh does not install what does not run here", async () => {
  await site.release("2.0.0", "#!/nowhere\n");
  await expectFailure(11, "The program does not run here");
});

testHere(
  "install.sh of the source, without a key, installs nothing",
  async () => {
    const source = new URL("../../install.sh", import.meta.url).pathname;
    const program = `dash ${source} --from ${site.url}`;
    const { changes, status } = await site.run([], { program });
    expect(status).not.toBe(0);
    expect(changes).toEqual([]);
  },
);

type Tls = { readonly cert: string; readonly key: string };

function serve(
  tls: Tls | undefined,
  fetch: (request: Request) => Response | Promise<Response>,
) {
  const server = Bun.serve({ port: 0, ...(tls ? { tls } : {}), fetch });
  return {
    port: server.port,
    [Symbol.asyncDispose]: async () => await server.stop(true),
  };
}
