import { expect, test } from "bun:test";
import { Downloads } from "../../src/gateway/downloads.ts";
import { Fault } from "../../src/protocol/fault.ts";
import { rejection } from "../support/rejection.ts";

/** A directory with any file that it is asked for, each of four bytes. */
function makeDownloads(publicUrl?: string) {
  const asked: string[] = [];
  const open: PromiseWithResolvers<void>[] = [];
  const downloads = new Downloads({
    open: (name) => {
      asked.push(name);
      const closed = Promise.withResolvers<void>();
      open.push(closed);
      const body = new Blob(["file"]).stream();
      return Promise.resolve({ bytes: 4, body, closed: closed.promise });
    },
    readText: (name) => {
      asked.push(name);
      return Promise.resolve("set -u\nMF_FROM=''\nmain\n");
    },
    publicUrl,
  });
  return { asked, downloads, open };
}

test("Downloads hands out what a release consists of", async () => {
  const { asked, downloads } = makeDownloads();
  const names = [
    "SHA256SUMS",
    "SHA256SUMS.sig",
    "migasfree-agent-2.0.0-alpha.1-linux-x64.tar.xz",
    "migasfree-agent_2.0.0~alpha.1_amd64.deb",
    "migasfree-agent-2.0.0~alpha.1-1.x86_64.rpm",
    "migasfree-agent-2.0.0.msi",
  ];
  for (const name of names) {
    const answer = await downloads.answer(name);
    expect([name, answer?.status, await answer?.text()])
      .toEqual([name, 200, "file"]);
    expect(answer?.headers.get("content-length")).toBe("4");
  }
  expect(asked).toEqual(names);
});

test("Downloads does not even look for anything else", async () => {
  const { asked, downloads } = makeDownloads();
  for (
    const name of [
      "",
      ".",
      "..",
      "../etc/passwd",
      "migasfree-agent-/../../etc/x.deb",
      "migasfree-agent-..\\x.deb",
      "migasfree-agent-x.deb\0",
      "migasfree-agent-x.deb\n",
      ".migasfree-agent-x.deb",
      "signing.key",
      "gateway.toml",
      "install.sh~",
      "SHA256SUMS.key",
      `migasfree-agent-${"x".repeat(200)}.deb`,
    ]
  ) {
    expect([name, await downloads.answer(name)]).toEqual([name, undefined]);
  }
  expect(asked).toEqual([]);
});

test("Downloads writes into install.sh where it is, if it knows", async () => {
  const known = makeDownloads("https://gw.example.org:8443/tunnel").downloads;
  expect(await (await known.answer("install.sh"))?.text())
    .toBe("set -u\nMF_FROM='https://gw.example.org:8443/tunnel'\nmain\n");
  for (
    const url of [undefined, "https://gw/';id;'/tunnel", "http://gw/tunnel"]
  ) {
    const { downloads } = makeDownloads(url);
    expect(await (await downloads.answer("install.sh"))?.text())
      .toBe("set -u\nMF_FROM=''\nmain\n");
  }
});

test("Downloads has a limit, and goes on when one has ended", async () => {
  const { downloads, open } = makeDownloads();
  for (let n = 0; n < 64; n++) await downloads.answer("SHA256SUMS");
  const refused = Fault.from(await rejection(downloads.answer("SHA256SUMS")));
  expect([refused.code, refused.retryAfterMs])
    .toEqual(["quotaExceeded", 30_000]);
  open[0]?.resolve();
  await Promise.resolve();
  await Promise.resolve();
  expect((await downloads.answer("SHA256SUMS"))?.status).toBe(200);
});

test("Downloads that cannot open a file forgets it", async () => {
  const downloads = new Downloads({
    open: () => Promise.reject(new Fault("configInvalid", "Cannot read it")),
    readText: () => Promise.resolve(undefined),
    publicUrl: undefined,
  });
  for (let n = 0; n < 70; n++) {
    const fault = Fault.from(await rejection(downloads.answer("SHA256SUMS")));
    expect(fault.code).toBe("configInvalid");
  }
  expect(await downloads.answer("install.sh")).toBe(undefined);
});
