import { expect } from "bun:test";
import { readFile } from "node:fs/promises";
import { runChild } from "../support/child.ts";
import { pythonPeersMissing } from "../support/python_peer.ts";
import type { Identity } from "../support/site.ts";
import { missingProgram, testUnless } from "../support/test_unless.ts";
import { BINARY } from "../support/site.ts";
import { V1OperatorSite } from "./v1_operator_site.ts";

const test = testUnless(pythonPeersMissing ?? missingProgram("openssl"));

/** Starts our agent with the manager's URL and TOML for the rest. */
async function startAgent(made: V1OperatorSite, toml: string) {
  const config = await made.site.write(
    "agent.toml",
    `device_id = 7
name = "aula-7"
manager = "${made.trio.managerUrl}"
state_dir = "${made.site.dir}/agent"
${toml}
[services]
`,
  );
  return made.site.start([BINARY, "run", "--config", config], {}, "agent.log");
}

function files(identity: Identity): string {
  return Object.entries(identity)
    .filter(([name]) => name.endsWith("_file"))
    .map(([name, path]) => `${name} = "${path}"`).join("\n");
}

for (
  const [flags, version] of [[[], "TLSv1.3"], [
    ["--tls-old"],
    "TLSv1.2",
  ]] as const
) {
  test(`items 4, 5: the agent speaks ${version}, and no HTTP/2`, async () => {
    await using made = await V1OperatorSite.start(...flags);
    const child = await startAgent(made, files(made.tls.agent));
    await child.line(/link\.open /);
    await made.relay.event("registered", { id: 7 });
    for (const hand of made.relay.events("handshake")) {
      expect(hand).toMatchObject({
        tls: version,
        subject: expect.stringMatching(/OU=COMPUTERS\/CN=uuid-7_1$/),
      });
      expect([null, "http/1.1"]).toContain(hand["alpn"] as string | null);
    }
  }, 30_000);
}

test(
  "item 4: a key as migasfree-client writes it (PKCS #1) is taken",
  async () => {
    await using made = await V1OperatorSite.start();
    const { dir, pkiDir } = made.site;
    const openssl = async (...args: string[]) => {
      const { status, stderr } = await runChild(["openssl", ...args]);
      if (status !== 0) throw new Error(stderr);
    };
    const key = `${dir}/rsa.pem`;
    await openssl("genrsa", "-traditional", "-out", key, "2048");
    expect(await readFile(key, "utf8")).toStartWith(
      "-----BEGIN RSA PRIVATE KEY-----",
    );
    const subject = "/O=localhost/OU=COMPUTERS/CN=uuid-7_1";
    await openssl(
      "req",
      "-new",
      "-key",
      key,
      "-subj",
      subject,
      "-out",
      `${dir}/csr`,
    );
    const extensions = await made.site.write(
      "ext",
      "extendedKeyUsage=clientAuth\n",
    );
    await openssl(
      ...["x509", "-req", "-in", `${dir}/csr`, "-out", `${dir}/rsa.crt`],
      ...["-CA", `${pkiDir}/ca.pem`, "-CAkey", `${pkiDir}/ca.key`],
      ...["-CAcreateserial", "-days", "2", "-extfile", extensions],
    );
    const identity = {
      ...made.tls.agent,
      "cert_file": `${dir}/rsa.crt`,
      "key_file": key,
    };
    const child = await startAgent(made, files(identity));
    await child.line(/link\.open /);
    await made.relay.event("registered", { id: 7 });
  },
  30_000,
);

test(
  "item 3: without a certificate the agent dials, is told, and says so",
  async () => {
    await using made = await V1OperatorSite.start();
    const { ca_file: ca } = made.tls.agent;
    const child = await startAgent(made, `ca_file = "${ca}"`);
    expect(await child.line(/link\.failed /)).toMatch(/certificateMissing/);
  },
  30_000,
);
