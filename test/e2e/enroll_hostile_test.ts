import { afterAll, beforeAll, expect, test } from "bun:test";
import { readFile, rename } from "node:fs/promises";
import { parseEnrollToken } from "../../src/policy/enroll_token.ts";
import { enrollKey, enrollProof } from "../../src/protocol/enroll_message.ts";
import { createCertificateRequest } from "../../src/runtime/certificate_request.ts";
import { generateSigningKeys } from "../../src/runtime/signing_key.ts";
import { enroll, enrollingGateway, makeToken } from "../support/enrolment.ts";
import { Site } from "../support/site.ts";

const DAY_MS = 86_400_000;

let site: Site;
let other: Site;
let origin: string;
let ca: string;

beforeAll(async () => {
  site = await Site.create();
  other = await Site.create();
  const { url } = await enrollingGateway(site, "gateway");
  origin = url.replace(/^wss:\/\/([^/]*)\/.*$/, "https://$1");
  ca = await readFile(`${site.pkiDir}/ca.pem`, "utf8");
}, 60_000);

afterAll(async () => {
  await site[Symbol.asyncDispose]();
  await other[Symbol.asyncDispose]();
}, 30_000);

interface Said {
  readonly status: number;
  readonly body: Record<string, unknown>;
}

async function post(path: string, body: string): Promise<Said> {
  const response = await fetch(`${origin}${path}`, {
    method: "POST",
    body,
    tls: { ca },
  });
  const said = await response.json() as Record<string, unknown>;
  return { status: response.status, body: said };
}

async function csrFor(name: string): Promise<string> {
  return await createCertificateRequest(name, await generateSigningKeys());
}

/** What a computer would send, with `csr` for whatever name. */
async function question(token: string, device: number, csr: string) {
  const { claims, secret } = parseEnrollToken(token);
  const signed = { csr, device, name: "raw" };
  const proof = await enrollProof(await enrollKey(secret), signed);
  return { token: claims.id, proof, ...signed };
}

test("a CSR for another name gets no certificate, and the token stays good", async () => {
  const { token } = await makeToken(site, "--device", "7");
  for (const name of ["enrolled_8", "maria", "enrolled_7/OU=ADMINS"]) {
    const asked = await question(token, 7, await csrFor(name));
    const { body, status } = await post(
      "/tunnel/enroll",
      JSON.stringify(asked),
    );
    expect([status, body["code"], body["message"]]).toEqual([
      403,
      "ticketInvalid",
      `Cannot enrol: the request is for CN=${name}, the computer is enrolled_7`,
    ]);
  }
  const good = await question(token, 7, await csrFor("enrolled_7"));
  const { body, status } = await post("/tunnel/enroll", JSON.stringify(good));
  expect([status, body["ca"]]).toEqual([200, ca]);
});

test("whoever changes what a computer has sent gets nothing", async () => {
  const { token } = await makeToken(site, "--device", "9");
  const sent = await question(token, 9, await csrFor("enrolled_9"));
  const mine = await csrFor("enrolled_9");
  for (const change of [{ csr: mine }, { name: "else" }, { device: 10 }]) {
    const { body, status } = await post(
      "/tunnel/enroll",
      JSON.stringify({ ...sent, ...change }),
    );
    expect([status, body["message"]])
      .toEqual([403, "Cannot enrol: the token is not known here"]);
  }
});

test("a CSR that is broken, or signed by another key, is refused", async () => {
  const { token } = await makeToken(site, "--device", "11");
  const csr = await csrFor("enrolled_11");
  const body64 = csr.split("\n").slice(1, -2).join("");
  const bytes = Uint8Array.fromBase64(body64);
  // The last byte of the signature.
  bytes[bytes.length - 1] = (bytes.at(-1) ?? 0) ^ 1;
  const forged = `-----BEGIN CERTIFICATE REQUEST-----\n${bytes.toBase64()}\n` +
    "-----END CERTIFICATE REQUEST-----\n";
  for (const text of [forged, "none", csr.slice(0, 120)]) {
    const asked = await question(token, 11, text);
    const { body, status } = await post(
      "/tunnel/enroll",
      JSON.stringify(asked),
    );
    expect([status, body["code"]]).toEqual([400, "messageInvalid"]);
  }
});

test("what is no request is refused before anything is looked up", async () => {
  const long = JSON.stringify({ csr: "x".repeat(40_000) });
  const cases = [["", 400], ["[]", 400], ["{}", 400], [long, 413]] as const;
  for (const [text, status] of cases) {
    for (const path of ["/tunnel/enroll", "/tunnel/renew"]) {
      expect((await post(path, text)).status).toBe(status);
    }
  }
});

test("a certificate of another CA is not renewed", async () => {
  const foreign = await other.identity("computer", "enrolled_7");
  const certificate = await readFile(foreign.cert_file, "utf8");
  const asked = { csr: await csrFor("enrolled_7"), certificate };
  const { body, status } = await post("/tunnel/renew", JSON.stringify(asked));
  expect([status, body["code"]]).toEqual([401, "certificateUntrusted"]);
});

test("a certificate is not renewed for a key that nobody has shown", async () => {
  const { cert_file } = await site.identity("computer", "public");
  const certificate = await readFile(cert_file, "utf8");
  const asked = { csr: await csrFor("public"), certificate };
  const { body, status } = await post("/tunnel/renew", JSON.stringify(asked));
  expect([status, body["code"], String(body["message"])]).toEqual([
    401,
    "certificateUntrusted",
    "Cannot renew: the request is for another key, and nothing shows that " +
    "the old one is there",
  ]);
});

test(
  "whoever passes the right CA on, and is not the gateway, hears nothing",
  async () => {
    const heard: string[] = [];
    const { token } = await makeToken(site, "--device", "12");
    const dir = `${other.pkiDir}/gateway`;
    using server = Bun.serve({
      port: 0,
      hostname: "127.0.0.1",
      tls: {
        cert: Bun.file(`${dir}/cert.pem`),
        key: Bun.file(`${dir}/key.pem`),
      },
      fetch: (request) => {
        heard.push(request.method);
        return Response.json({ ca });
      },
    });
    const url = `wss://localhost:${server.port}/tunnel`;
    const ended = await enroll(site, url, token, "between");
    expect([ended.status, heard]).toEqual([77, ["GET"]]);
    expect(ended.sentence).toStartWith(
      `Cannot reach localhost:${server.port}: its certificate is signed by`,
    );
  },
  20_000,
);

for (
  const [days, words] of [[-5, "5 days ahead of"], [
    9,
    "9 days behind",
  ]] as const
) {
  test(
    `a clock that is ${words} the gateway's is told, and the token stays`,
    async () => {
      const heard: string[] = [];
      const { token } = await makeToken(site, "--device", "13");
      using server = Bun.serve({
        port: 0,
        hostname: "127.0.0.1",
        fetch: (request) => {
          heard.push(request.method);
          const date = new Date(Date.now() + days * DAY_MS).toUTCString();
          return Response.json({ ca }, { headers: { date } });
        },
      });
      const url = `ws://127.0.0.1:${server.port}/tunnel`;
      const ended = await enroll(site, url, token, `clock${days}`);
      expect([ended.status, ended.sentence, ended.hint, heard]).toEqual([
        78,
        `Cannot enrol: this computer's clock is ${words} the gateway's`,
        "Set this computer's clock, by NTP for one; the token stays good",
        ["GET"],
      ]);
    },
    20_000,
  );
}

test("a directory that the gateway cannot use is its own affair", async () => {
  const key = `${site.pkiDir}/ca.key`;
  const { token } = await makeToken(site, "--device", "14");
  const asked = await question(token, 14, await csrFor("enrolled_14"));
  await rename(key, `${key}.away`);
  try {
    const said = await post("/tunnel/enroll", JSON.stringify(asked));
    expect(said).toEqual({
      status: 500,
      body: {
        code: "internal",
        message: "Internal error",
        hint: "Look at the gateway's log",
      },
    });
  } finally {
    await rename(`${key}.away`, key);
  }
});

// The last one: it uses the minute of this address up.
test("one address may ask so often, and hears when again", async () => {
  let limited: Response | undefined;
  for (let asked = 0; asked < 100 && !limited; asked++) {
    const response = await fetch(`${origin}/tunnel/enroll`, {
      method: "POST",
      body: "{}",
      tls: { ca },
    });
    if (response.status === 429) limited = response;
  }
  expect(await limited?.json()).toMatchObject({ code: "quotaExceeded" });
  const seconds = Number(limited?.headers.get("retry-after"));
  expect(seconds).toBeGreaterThan(0);
  expect(seconds).toBeLessThanOrEqual(60);
}, 30_000);
