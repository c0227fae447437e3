import { expect, test } from "bun:test";
import { Statements } from "../../src/gateway/statement.ts";
import { RESUME_KEY_BYTES } from "../../src/protocol/resume_token.ts";
import { SignedTexts } from "../../src/protocol/signed_text.ts";

const SECRET = new Uint8Array(RESUME_KEY_BYTES).fill(9);
const TARGET = "/tunnel/connect?device=7&service=ssh";
const CALLER = Object.freeze(
  {
    principal: {
      role: "operator",
      name: "María",
      subject: "CN=María,OU=ADMINS,O=mf.test",
    },
    address: "192.0.2.7",
    certificate: undefined,
  } as const,
);

let nowMs = 1_000_000;

async function statements(secret = SECRET): Promise<Statements> {
  return await Statements.create(secret, () => nowMs);
}

test("Statements reads who a gateway of the site says that it speaks for", async () => {
  const text = await (await statements()).sign(CALLER, TARGET);
  expect(text).toMatch(/^[\w.-]+$/);
  expect(await (await statements()).read(text, TARGET)).toEqual({
    ...CALLER,
    isForwarded: true,
  });
});

test("Statements believes none for another request, and none for longer than 30 s", async () => {
  const all = await statements();
  const text = await all.sign(CALLER, TARGET);
  for (
    const target of ["/tunnel/resume", `${TARGET}x`, TARGET.replace("7", "8")]
  ) expect(await all.read(text, target)).toBeUndefined();
  const startMs = nowMs;
  const believed: boolean[] = [];
  for (const ageMs of [-30_001, -30_000, 30_000, 30_001]) {
    nowMs = startMs + ageMs;
    believed.push(await all.read(text, TARGET) !== undefined);
  }
  nowMs = startMs;
  expect(believed).toEqual([false, true, true, false]);
});

test("Statements believes no other site, no resume token, and nothing unsigned", async () => {
  const all = await statements();
  const strangers = await statements(SECRET.map((byte) => byte + 1));
  const text = await strangers.sign(CALLER, TARGET);
  expect(await all.read(text, TARGET)).toBeUndefined();
  // The secret itself signs tokens: what it signs is no statement.
  const tokens = await SignedTexts.create(SECRET);
  const [body = ""] = (await all.sign(CALLER, TARGET)).split(".");
  const json = new TextDecoder().decode(
    Uint8Array.fromBase64(body, { alphabet: "base64url" }),
  );
  expect(await all.read(await tokens.sign(json), TARGET)).toBeUndefined();
  for (const wrong of ["", ".", body, `${body}.`, "x".repeat(40_000)]) {
    expect(await all.read(wrong, TARGET)).toBeUndefined();
  }
});

test("Statements goes on believing what was signed before the site had one secret", async () => {
  const [one, two] = await Promise.all([statements(), statements(SECRET)]);
  const early = await one.sign(CALLER, TARGET);
  const shared = SECRET.map((byte) => byte + 5);
  await Promise.all([one.adopt(shared), two.adopt(shared)]);
  const late = await one.sign(CALLER, TARGET);
  expect(await two.read(early, TARGET)).toBeDefined();
  expect(await two.read(late, TARGET)).toBeDefined();
});
