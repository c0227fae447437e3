import { afterAll, beforeAll, expect, test } from "bun:test";
import { STREAM_SUBPROTOCOL } from "../../src/protocol/version.ts";
import { auditRecords } from "../support/operator.ts";
import { RawAgent } from "../support/raw_agent.ts";
import { RawLink } from "../support/raw_link.ts";
import { type Identity, Site } from "../support/site.ts";

let site: Site;
let url: string;
let owner: Identity;
let thief: Identity;
let operator: Identity;
let colleague: Identity;

beforeAll(async () => {
  site = await Site.create();
  ({ url } = await site.gateway());
  owner = await site.identity("computer", "uuid-7_7");
  thief = await site.identity("computer", "uuid-8_8");
  operator = await site.identity("operator", "maria");
  colleague = await site.identity("operator", "pedro");
}, 60_000);

afterAll(async () => await site[Symbol.asyncDispose](), 30_000);

/** A tunnel that stands, and the tokens of its two ends. */
async function openTunnel() {
  const agent = await RawAgent.connect({ url, identity: owner, id: 7 });
  const far = await RawLink.dial({
    url: `${url}/connect?device=7&service=ssh`,
    identity: operator,
    subprotocol: STREAM_SUBPROTOCOL,
  });
  const { ticket, tunnel } = await agent.open();
  const near = await agent.stream(ticket);
  agent.opened(tunnel);
  const tokens = await Promise.all([near, far].map(async (link) => {
    return String((await link.nextOf("joined"))["resume_token"]);
  }));
  const [agentToken = "", operatorToken = ""] = tokens;
  const dispose = async () => {
    for (const end of [near, far, agent]) await end[Symbol.asyncDispose]();
  };
  return {
    near,
    far,
    agentToken,
    operatorToken,
    [Symbol.asyncDispose]: dispose,
  };
}

/** Comes back to a tunnel with `token`, as whoever it is. */
function resume(token: string, identity: Identity): Promise<RawLink> {
  return RawLink.dial({
    url: `${url}/resume`,
    identity,
    subprotocol: STREAM_SUBPROTOCOL,
    headers: { Authorization: `Bearer ${token}` },
  });
}

test(
  "a resume token in the wrong hands is refused, and cuts nothing",
  async () => {
    await using tunnel = await openTunnel();
    const { agentToken, operatorToken } = tunnel;
    const attempts = [
      [agentToken, thief, "uuid-8_8"],
      [agentToken, operator, "maria"],
      [operatorToken, colleague, "pedro"],
      [operatorToken, owner, "uuid-7_7"],
    ] as const;
    for (const [token, identity, name] of attempts) {
      await using link = await resume(token, identity);
      expect([name, (await link.closed).code]).toEqual([name, 4412]);
      const last = (await auditRecords(site)).at(-1);
      expect(last).toMatchObject({
        event: "link.refused",
        path: "/tunnel/resume",
        code: "ticketInvalid",
        subject: expect.stringContaining(`CN=${name}`) as unknown as string,
      });
    }
    tunnel.far.send(Uint8Array.of(5));
    const isBinary = (message: unknown) => message instanceof Uint8Array;
    expect(await tunnel.near.next(isBinary)).toEqual(Buffer.of(5));
  },
  20_000,
);

test("a resume token that nobody signed is refused", async () => {
  await using tunnel = await openTunnel();
  const { agentToken } = tunnel;
  const [head = "", ...tail] = agentToken.split(".");
  const other = head.startsWith("a") ? "b" : "a";
  const forged = [
    "",
    "x",
    ".",
    "a.b.c",
    head,
    [`${other}${head.slice(1)}`, ...tail].join("."),
    `${agentToken.slice(0, -2)}${agentToken.endsWith("AA") ? "BB" : "AA"}`,
    `${agentToken}${agentToken}`,
    "a".repeat(8_000),
  ];
  for (const token of forged) {
    await using link = await resume(token, owner);
    expect([token, (await link.closed).code]).toEqual([token, 4412]);
  }
}, 20_000);

test("who comes back may not speak before it is joined", async () => {
  await using tunnel = await openTunnel();
  await using link = await resume(tunnel.agentToken, owner);
  link.send('{"type":"resume","offset":0}');
  expect((await link.closed).code).toBe(4409);
}, 20_000);

test("of two links of one end, the newer one is waited with", async () => {
  await using tunnel = await openTunnel();
  await using first = await resume(tunnel.agentToken, owner);
  await using second = await resume(tunnel.agentToken, owner);
  expect((await first.closed).code).toBe(4001);
  await using other = await resume(tunnel.operatorToken, operator);
  await Promise.all([second, other].map((link) => link.nextOf("joined")));
}, 20_000);

test("a token does not outlive its certificate", async () => {
  const leaver = await site.identity("operator", "leaver");
  await using agent = await RawAgent.connect({ url, identity: owner, id: 7 });
  await using far = await RawLink.dial({
    url: `${url}/connect?device=7&service=ssh`,
    identity: leaver,
    subprotocol: STREAM_SUBPROTOCOL,
  });
  const { ticket, tunnel } = await agent.open();
  await using _near = await agent.stream(ticket);
  agent.opened(tunnel);
  const { resume_token: token } = await far.nextOf("joined");
  await site.cli(["pki", "revoke", site.pkiDir, "leaver"]);
  expect((await far.closed).code).toBe(4405);
  await using link = await resume(String(token), leaver);
  expect((await link.closed).code).toBe(4405);
}, 20_000);
