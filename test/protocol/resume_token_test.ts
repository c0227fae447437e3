import { expect, test } from "bun:test";
import {
  RESUME_KEY_BYTES,
  type ResumeClaims,
  ResumeTokens,
} from "../../src/protocol/resume_token.ts";
import { rejection } from "../support/rejection.ts";
import { SeededRandom } from "../support/seeded_random.ts";

const KEY = new Uint8Array(RESUME_KEY_BYTES).fill(7);
const FUZZ_COUNT = 100_000;
const TIMEOUT_MS = 60_000;

const CLAIMS: ResumeClaims = {
  tunnel: "0123456789abcdef0123456789abcdef",
  role: "agent",
  subject: "/O=mf.test/OU=COMPUTERS/CN=4c4c_7",
  device: 7,
  service: "ssh",
  instance: "fedcba9876543210fedcba9876543210",
  operator: "ana",
  "operator_subject": "/O=mf.test/OU=ADMINS/CN=ana",
};

const INVALID = {
  code: "ticketInvalid",
  message: "Cannot resume: the token is not valid",
};

const tokens = await ResumeTokens.create(KEY);
const TOKEN = await tokens.issue(CLAIMS);

/** Signs whatever text, as only somebody with the key can. */
async function sign(text: string | Uint8Array<ArrayBuffer>): Promise<string> {
  const algorithm = { name: "HMAC", hash: "SHA-256" };
  const key = await crypto.subtle.importKey("raw", KEY, algorithm, false, [
    "sign",
  ]);
  const body = typeof text === "string" ? new TextEncoder().encode(text) : text;
  const mac = new Uint8Array(await crypto.subtle.sign("HMAC", key, body));
  const [bodyText, macText] = [body, mac].map((bytes) =>
    bytes.toBase64({ alphabet: "base64url", omitPadding: true })
  );
  return `${bodyText}.${macText}`;
}

async function expectInvalid(token: string): Promise<void> {
  expect(await rejection(tokens.read(token))).toMatchObject(INVALID);
}

test("ResumeTokens reads what it issued, and nothing else is in it", async () => {
  expect(await tokens.read(TOKEN)).toEqual(CLAIMS);
  expect(TOKEN).toMatch(/^[\w-]+\.[\w-]{43}$/);
  const { instance: _, ...claims } = CLAIMS;
  expect(await tokens.read(await tokens.issue(claims))).toEqual(claims);
});

test("ResumeTokens reads what another process with its key issued", async () => {
  const others = await ResumeTokens.create(KEY.slice());
  expect(await tokens.read(await others.issue(CLAIMS))).toEqual(CLAIMS);
});

test("ResumeTokens reads names of whatever length, as long as the token is short enough", async () => {
  const subject = `/CN=${"é".repeat(400)}`;
  const claims = { ...CLAIMS, subject, operator: "ö".repeat(100) };
  const token = await tokens.issue(claims);
  expect(token.length).toBeLessThanOrEqual(2_048);
  expect(await tokens.read(token)).toEqual(claims);
});

test("ResumeTokens refuses a token of another key", async () => {
  const key = KEY.slice();
  key[31] = 6;
  const others = await ResumeTokens.create(key);
  await expectInvalid(await others.issue(CLAIMS));
});

test("ResumeTokens refuses a token with any bit of any character changed", async () => {
  for (let at = 0; at < TOKEN.length; at++) {
    for (let bit = 0; bit < 7; bit++) {
      const code = TOKEN.charCodeAt(at) ^ (1 << bit);
      const changed = TOKEN.slice(0, at) + String.fromCharCode(code) +
        TOKEN.slice(at + 1);
      await expectInvalid(changed);
    }
  }
});

test("ResumeTokens refuses every other spelling of a token", async () => {
  const alphabet =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
  // The last characters hold bits that say nothing.
  for (const end of [TOKEN.indexOf("."), TOKEN.length]) {
    for (const letter of alphabet) {
      const other = TOKEN.slice(0, end - 1) + letter + TOKEN.slice(end);
      if (other !== TOKEN) await expectInvalid(other);
    }
  }
  const [body, mac] = TOKEN.split(".");
  const spellings = [
    ...[`${TOKEN}.`, `${TOKEN}.e30`, `.${TOKEN}`, ` ${TOKEN}`, `${TOKEN}\n`],
    ...[`${TOKEN}=`, `${body}=.${mac}`, `${body}==.${mac}`, `${body} .${mac}`],
    ...[`${mac}.${body}`, `${body}${mac}`],
  ];
  for (const spelling of spellings) await expectInvalid(spelling);
});

test("ResumeTokens refuses a token that was cut anywhere", async () => {
  for (let size = 0; size < TOKEN.length; size++) {
    await expectInvalid(TOKEN.slice(0, size));
    await expectInvalid(TOKEN.slice(TOKEN.length - size));
  }
});

test("ResumeTokens refuses a token that is too long, although it is ours", async () => {
  const claims = { ...CLAIMS, subject: "x".repeat(2_000) };
  const token = await tokens.issue(claims);
  expect(token.length).toBeGreaterThan(2_048);
  await expectInvalid(token);
  await expectInvalid("A".repeat(10_000_000));
});

test("ResumeTokens refuses other claims that bear its signature", async () => {
  const texts = [
    ...["", "{", "null", "[]", "7", '"x"', "{}", "\ud800", "NaN"],
    ...["[".repeat(1_400), '{"__proto__":{}}', '{"constructor":null}'],
  ];
  for (const text of texts) await expectInvalid(await sign(text));
  await expectInvalid(await sign(new Uint8Array([0xff, 0xfe, 0x00])));
  const changes: Record<string, unknown>[] = [
    ...[{ tunnel: "x" }, { tunnel: undefined }, { tunnel: ["x"] }],
    ...[{ role: "gateway" }, { role: "__proto__" }, { role: undefined }],
    ...[{ device: 0 }, { device: "7" }, { device: 1.5 }, { device: null }],
    ...[{ service: "" }, { service: "../etc" }, { service: "A" }],
    ...[{ subject: 7 }, { subject: undefined }, { instance: "x" }],
    ...[{ operator: null }, { operator_subject: undefined }],
  ];
  for (const change of changes) {
    await expectInvalid(await sign(JSON.stringify({ ...CLAIMS, ...change })));
  }
});

test("ResumeTokens forgets what its claims do not name", async () => {
  const more = JSON.stringify({ ...CLAIMS, admin: true });
  expect(await tokens.read(await sign(more))).toEqual(CLAIMS);
});

test(
  `ResumeTokens refuses ${FUZZ_COUNT} random changes of a token`,
  async () => {
    const random = new SeededRandom(1);
    const letters = "AZaz09-_.=+/ \n\0é\u{1f600}";
    for (let run = 0; run < FUZZ_COUNT; run++) {
      const characters = [...TOKEN];
      const changeCount = 1 + random.below(4);
      for (let i = 0; i < changeCount; i++) {
        const removeCount = random.below(3);
        const insertCount = random.below(3);
        const inserted = Array.from(
          { length: insertCount },
          () => random.pick([...letters]),
        );
        const at = random.below(characters.length + 1);
        characters.splice(at, removeCount, ...inserted);
      }
      const changed = characters.join("");
      if (changed === TOKEN) continue;
      const fault = await tokens.read(changed).then(
        () => "was taken",
        (error: { readonly code?: unknown }) => error.code,
      );
      if (fault !== "ticketInvalid") {
        throw new Error(`Run ${run}: ${fault}: ${JSON.stringify(changed)}`);
      }
    }
  },
  TIMEOUT_MS,
);
