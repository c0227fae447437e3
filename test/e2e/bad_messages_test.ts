import { afterAll, beforeAll, expect, test } from "bun:test";
import { CONTROL_MESSAGE_MAX_BYTES } from "../../src/protocol/limits.ts";
import { type Child } from "../support/child.ts";
import { RawAgent, rawHello } from "../support/raw_agent.ts";
import { RAW_WELCOME, RawGateway } from "../support/raw_gateway.ts";
import { RawLink, type RawMessage } from "../support/raw_link.ts";
import { type Identity, Site } from "../support/site.ts";

type Said = RawMessage | object;

const HELLO = rawHello(7);
const HEARTBEAT = { type: "heartbeat" };

/** A heartbeat that is so long, to the byte. */
function longHeartbeat(bytes: number): string {
  const frame = JSON.stringify({ ...HEARTBEAT, x: "" });
  return JSON.stringify({ ...HEARTBEAT, x: "x".repeat(bytes - frame.length) });
}

const TOO_LONG = longHeartbeat(CONTROL_MESSAGE_MAX_BYTES + 1);

/** What an agent says, and the code that the gateway closes its link with. */
const TO_GATEWAY: readonly (readonly [string, readonly Said[], number])[] = [
  ["text that is no JSON", [HELLO, "{"], 4400],
  ["an empty message", [HELLO, ""], 4400],
  ["a message without a type", [HELLO, "{}"], 4400],
  ["a message of no known type", [HELLO, { type: "please" }], 4400],
  ["a message of the other side", [HELLO, RAW_WELCOME], 4400],
  ["bytes", [HELLO, Uint8Array.of(1, 2)], 4400],
  ["bytes before its hello", [Uint8Array.of(1, 2)], 4400],
  ["a message too long", [HELLO, TOO_LONG], 1009],
  ["a first message too long", [TOO_LONG], 1009],
  ["hello twice", [HELLO, HELLO], 4409],
  ["a heartbeat before its hello", [HEARTBEAT], 4409],
  ["only other versions", [{ ...HELLO, versions: [1, 3] }], 4426],
  ["no device id", [{ ...HELLO, device: { name: "x" } }], 4400],
  ["a device id that is text", [{
    ...HELLO,
    device: { id: "7", name: "x" },
  }], 4400],
  ["services without end", [{
    ...HELLO,
    services: Array(33).fill({ name: "ssh", state: "open" }),
  }], 4400],
];

/** What a gateway says, and the code that the agent closes its link with. */
const TO_AGENT: readonly (readonly [string, readonly Said[], number])[] = [
  ["text that is no JSON", [RAW_WELCOME, "{"], 4400],
  ["bytes", [RAW_WELCOME, Uint8Array.of(1)], 4400],
  ["a message of the other side", [RAW_WELCOME, HELLO], 4400],
  ["a message too long", [RAW_WELCOME, TOO_LONG], 1009],
  ["welcome twice", [RAW_WELCOME, RAW_WELCOME], 4409],
  ["a heartbeat before its welcome", [HEARTBEAT], 4409],
  ["another version", [{ ...RAW_WELCOME, version: 3 }], 4426],
  ["heartbeats that would make it spin", [{
    ...RAW_WELCOME,
    heartbeat: { interval_ms: 0, timeout_ms: 0 },
  }], 4400],
];

let site: Site;
let gateway: Child;
let url: string;
let computer: Identity;
/** Is served all the while. */
let bystander: RawAgent;

beforeAll(async () => {
  site = await Site.create();
  ({ child: gateway, url } = await site.gateway());
  computer = await site.identity("computer", "uuid-7_7");
  const identity = await site.identity("computer", "uuid-8_8");
  bystander = await RawAgent.connect({ url, identity, id: 8 });
}, 60_000);

afterAll(async () => {
  await bystander[Symbol.asyncDispose]();
  await site[Symbol.asyncDispose]();
}, 30_000);

for (const [what, messages, code] of TO_GATEWAY) {
  test(`the gateway ends the link of an agent that says ${what}`, async () => {
    await using link = await RawLink.dial({ url, identity: computer });
    for (const message of messages) link.send(message);
    expect((await link.closed).code).toBe(code);
    bystander.control.send({ type: "heartbeat", echo: true });
    await bystander.control.nextOf("heartbeat");
  }, 20_000);
}

test("a message of the greatest length is heard", async () => {
  await using agent = await RawAgent.connect({
    url,
    identity: computer,
    id: 7,
  });
  agent.control.send(longHeartbeat(CONTROL_MESSAGE_MAX_BYTES));
  agent.control.send({ type: "heartbeat", echo: true });
  await agent.control.nextOf("heartbeat");
}, 20_000);

test("who said too much is called so by the side that heard it", async () => {
  const options = { url, identity: computer, id: 9 };
  await using agent = await RawAgent.connect(options);
  agent.control.send(TOO_LONG);
  await gateway.line(/agent\.offline device=9 .*code=messageTooLarge/);
}, 20_000);

test("the agent ends the link of a gateway that breaks a rule", async () => {
  await using gateway = await RawGateway.listen(site);
  const { child } = await site.agent({
    id: 7,
    url: gateway.url,
    services: {},
    identity: computer,
    waitFor: /agent\.start/,
  });
  let attempt = 0;
  for (const [what, messages, code] of TO_AGENT) {
    const { link } = await gateway.visit();
    await link.nextOf("hello");
    for (const message of messages) link.send(message);
    expect([what, (await link.closed).code]).toEqual([what, code]);
    await child.line(new RegExp(`attempt=${++attempt}\\b`));
    // A hang-up makes it dial now, whatever it waits for.
    child.kill("SIGHUP");
  }
  // And it is still there for one that keeps them.
  const link = await gateway.welcome();
  link.send({ type: "heartbeat", echo: true });
  await link.nextOf("heartbeat");
}, 30_000);
