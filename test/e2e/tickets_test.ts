import { afterAll, beforeAll, expect, test } from "bun:test";
import { STREAM_SUBPROTOCOL } from "../../src/protocol/version.ts";
import { auditRecords } from "../support/operator.ts";
import { RawAgent } from "../support/raw_agent.ts";
import { RawLink } from "../support/raw_link.ts";
import { type Identity, Site } from "../support/site.ts";

const OPEN_TIMEOUT_MS = 800;

const TICKET_INVALID = {
  code: 4412,
  reason: "Cannot join tunnel: ticket not valid",
};

let site: Site;
let gateway: Awaited<ReturnType<Site["gateway"]>>;
let owner: Identity;
let thief: Identity;
let operator: Identity;

beforeAll(async () => {
  site = await Site.create();
  const tables = `[limits]\nopen_timeout_ms = ${OPEN_TIMEOUT_MS}`;
  gateway = await site.gateway({ tables });
  owner = await site.identity("computer", "uuid-7_7");
  thief = await site.identity("computer", "uuid-8_8");
  operator = await site.identity("operator", "maria");
}, 60_000);

afterAll(async () => await site[Symbol.asyncDispose](), 30_000);

function newAgent(): Promise<RawAgent> {
  return RawAgent.connect({ url: gateway.url, identity: owner, id: 7 });
}

/** An operator who asks for device 7's ssh. */
function newOperator(): Promise<RawLink> {
  return RawLink.dial({
    url: `${gateway.url}/connect?device=7&service=ssh`,
    identity: operator,
    subprotocol: STREAM_SUBPROTOCOL,
  });
}

/** Who was refused on the way to a tunnel, and as whom it came. */
async function refusedTickets(): Promise<unknown[]> {
  const records = await auditRecords(site);
  return records.filter(({ code }) => code === "ticketInvalid")
    .map(({ event, path, subject }) => ({ event, path, subject }));
}

function refusal(name: string) {
  const subject = `/O=localhost/OU=COMPUTERS/CN=${name}`;
  return { event: "link.refused", path: "/tunnel/stream", subject };
}

/** A byte of each end arrives at the other: the tunnel is one. */
async function expectJoined(agent: RawLink, operator: RawLink): Promise<void> {
  await Promise.all([agent, operator].map((link) => link.nextOf("joined")));
  agent.send(Uint8Array.of(1));
  operator.send(Uint8Array.of(2));
  const isBinary = (message: unknown) => message instanceof Uint8Array;
  expect(await operator.next(isBinary)).toEqual(Buffer.of(1));
  expect(await agent.next(isBinary)).toEqual(Buffer.of(2));
}

test("a stolen ticket is refused, and stays good for its owner", async () => {
  await using agent = await newAgent();
  await using link = await newOperator();
  const { ticket, tunnel } = await agent.open();
  const before = await refusedTickets();
  await using stolen = await agent.stream(ticket, thief);
  expect(await stolen.closed).toEqual(TICKET_INVALID);
  expect(await refusedTickets()).toEqual([...before, refusal("uuid-8_8")]);

  await using stream = await agent.stream(ticket);
  agent.opened(tunnel);
  await expectJoined(stream, link);
}, 20_000);

test("a ticket works once", async () => {
  await using agent = await newAgent();
  await using link = await newOperator();
  const { ticket, tunnel } = await agent.open();
  await using stream = await agent.stream(ticket);
  agent.opened(tunnel);
  await Promise.all([stream.nextOf("joined"), link.nextOf("joined")]);
  const before = await refusedTickets();
  await using replayed = await agent.stream(ticket);
  expect(await replayed.closed).toEqual(TICKET_INVALID);
  expect(await refusedTickets()).toEqual([...before, refusal("uuid-7_7")]);

  // The tunnel that it was used for is not disturbed.
  agent.control.send({ type: "heartbeat" });
  stream.send(Uint8Array.of(3));
  expect(await link.next((message) => typeof message !== "string")).toEqual(
    Buffer.of(3),
  );
}, 20_000);

test("a ticket is good for nothing after its deadline", async () => {
  await using agent = await newAgent();
  await using link = await newOperator();
  const startMs = performance.now();
  const { ticket, tunnel } = await agent.open();
  expect(await link.closed).toEqual({
    code: 4418,
    reason: `Device 7 did not answer in ${OPEN_TIMEOUT_MS / 1000} s`,
  });
  const tookMs = performance.now() - startMs;
  expect(tookMs).toBeGreaterThan(OPEN_TIMEOUT_MS * 0.9);
  expect(tookMs).toBeLessThan(OPEN_TIMEOUT_MS + 2_000);
  // The agent is told, so that it need not go on.
  expect(await agent.control.nextOf("cancel")).toEqual({
    type: "cancel",
    tunnel,
  });
  const before = await refusedTickets();
  await using late = await agent.stream(ticket);
  expect(await late.closed).toEqual(TICKET_INVALID);
  expect(await refusedTickets()).toEqual([...before, refusal("uuid-7_7")]);
  const last = (await auditRecords(site)).findLast(({ event }) =>
    event === "tunnel.refused"
  );
  expect(last).toMatchObject({ code: "openTimedOut", deviceId: 7 });
}, 20_000);

test("an agent that is half there opens nothing", async () => {
  await using agent = await newAgent();
  await using saysOnly = await newOperator();
  agent.opened((await agent.open()).tunnel);
  expect(await saysOnly.closed).toMatchObject({ code: 4418 });

  await using comesOnly = await newOperator();
  await using stream = await agent.stream((await agent.open()).ticket);
  for (const { closed } of [comesOnly, stream]) {
    expect(await closed).toMatchObject({ code: 4418 });
  }
}, 20_000);

test("what is no ticket at all is refused alike", async () => {
  await using agent = await newAgent();
  const tickets = ["", "0", "0".repeat(64), "f".repeat(4_000), "../7", "é"];
  for (const ticket of tickets) {
    await using stream = await agent.stream(ticket);
    expect([ticket, await stream.closed]).toEqual([ticket, TICKET_INVALID]);
  }
  await using bare = await RawLink.dial({
    url: `${gateway.url}/stream`,
    identity: owner,
    subprotocol: STREAM_SUBPROTOCOL,
  });
  expect(await bare.closed).toEqual(TICKET_INVALID);
}, 20_000);

test("an operator's certificate cannot use a ticket", async () => {
  await using agent = await newAgent();
  await using link = await newOperator();
  const { ticket, tunnel } = await agent.open();
  await using stolen = await agent.stream(ticket, operator);
  expect(await stolen.closed).toMatchObject({ code: 4406 });
  await using stream = await agent.stream(ticket);
  agent.opened(tunnel);
  await expectJoined(stream, link);
}, 20_000);

test("an operator that leaves early is no longer waited for", async () => {
  await using agent = await newAgent();
  const link = await newOperator();
  const { ticket, tunnel } = await agent.open();
  await link[Symbol.asyncDispose]();
  expect(await agent.control.nextOf("cancel")).toEqual({
    type: "cancel",
    tunnel,
  });
  await using stream = await agent.stream(ticket);
  expect(await stream.closed).toEqual(TICKET_INVALID);
}, 20_000);

test("an operator that speaks before it is joined is sent away", async () => {
  await using agent = await newAgent();
  for (const message of [Uint8Array.of(1), '{"type":"end","offset":0}']) {
    await using link = await newOperator();
    await agent.open();
    link.send(message);
    expect(await link.closed).toEqual({
      code: 4409,
      reason: "Cannot begin without being joined",
    });
  }
}, 20_000);

test("an agent's answers about tunnels of others are nobody's", async () => {
  await using agent = await newAgent();
  const other = { url: gateway.url, identity: thief, id: 8 };
  await using stranger = await RawAgent.connect(other);
  await using link = await newOperator();
  const { ticket, tunnel } = await agent.open();
  stranger.opened(tunnel);
  stranger.control.send({
    type: "refused",
    tunnel,
    code: "serviceRefused",
    message: "not yours",
  });
  await using stream = await agent.stream(ticket);
  agent.opened(tunnel);
  await expectJoined(stream, link);
}, 20_000);
