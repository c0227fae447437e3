import { afterAll, beforeAll, expect, test } from "bun:test";
import { connect } from "node:net";
import { RawLink } from "../support/raw_link.ts";
import { gatewayBehindProxy } from "../support/haproxy.ts";
import { Site } from "../support/site.ts";

const HEADER = "X-SSL-Client-CN: /O=mf.test/OU=COMPUTERS/CN=uuid_7\r\n";
const ADMIN = "X-SSL-Client-CN: /O=mf.test/OU=ADMINS/CN=maria\r\n";
const GET = "GET /tunnel HTTP/1.1\r\nHost: localhost\r\n";
const KEY = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
const VERSION = "Sec-WebSocket-Version: 13\r\n";
const OFFER = "Sec-WebSocket-Protocol: migasfree.control.v2\r\n";
const UPGRADE = "Connection: Upgrade\r\nUpgrade: websocket\r\n";

const ASK = UPGRADE + KEY + VERSION + OFFER;

/** What is said to a gateway, and how its answer begins. */
const CASES: readonly (readonly [string, string, RegExp])[] = [
  ["a handshake", `${GET}${ASK}${HEADER}\r\n`, /^HTTP\/1\.1 101 /],
  [
    "a handshake in other words",
    `${GET}connection: keep-alive, upgrade\r\nUPGRADE: WebSocket\r\n` +
    `${KEY}${VERSION}${OFFER}${HEADER}\r\n`,
    /^HTTP\/1\.1 101 /,
  ],
  [
    "two identities",
    `${GET}${ASK}${HEADER}${ADMIN}\r\n`,
    // RFC 6455 §5.5.1: a close frame, its length, 4406.
    // deno-lint-ignore no-control-regex
    /^HTTP\/1\.1 101 [^]*\r\n\r\n\x88.\x11\x36Cannot tell role/,
  ],
  [
    "an identity under a name that only looks alike",
    `${GET}${ASK}${HEADER.replaceAll("-", "_")}\r\n`,
    // 4401
    // deno-lint-ignore no-control-regex
    /^HTTP\/1\.1 101 [^]*\r\n\r\n\x88.\x11\x31Cannot enter without/,
  ],
  [
    "an identity that goes on in the next line",
    `${GET}${ASK}${HEADER} /OU=ADMINS\r\n\r\n`,
    /^HTTP\/1\.1 400 /,
  ],
  [
    "an identity with a space before its colon",
    `${GET}${ASK}${HEADER.replace(":", " :")}\r\n`,
    /^HTTP\/1\.1 400 /,
  ],
  [
    "an identity with a NUL",
    `${GET}${ASK}${HEADER.replace("uuid", "u\0id")}\r\n`,
    /^HTTP\/1\.1 400 /,
  ],
  [
    "two requests in one",
    `${GET}Transfer-Encoding: chunked\r\nContent-Length: 4\r\n${HEADER}\r\n` +
    `0\r\n\r\n${GET}${ASK}${ADMIN}\r\n`,
    /^HTTP\/1\.1 400 (?![^]*HTTP\/1\.1)/,
  ],
  [
    "a handshake without a key",
    `${GET}${UPGRADE}${VERSION}${OFFER}${HEADER}\r\n`,
    /^HTTP\/1\.1 400 /,
  ],
  [
    "a handshake by another method",
    `${GET.replace("GET", "POST")}${ASK}${HEADER}\r\n`,
    /^HTTP\/1\.1 405 /,
  ],
  [
    "another upgrade",
    `${GET}Connection: Upgrade\r\nUpgrade: h2c\r\n${HEADER}\r\n`,
    /^HTTP\/1\.1 400 /,
  ],
  [
    "another path",
    `${GET.replace("/tunnel", "/tunnel/..%2f")}${ASK}${HEADER}\r\n`,
    /^HTTP\/1\.1 404 /,
  ],
  [
    "headers without end",
    `${GET}X-Long: ${"a".repeat(100_000)}\r\n\r\n`,
    /^HTTP\/1\.1 431 /,
  ],
  ["no HTTP", "\x16\x03\x01\x02\x00\x01\r\n\r\n", /^HTTP\/1\.1 400 /],
];

let site: Site;
let port: number;

beforeAll(async () => {
  site = await Site.create();
  port = await gatewayBehindProxy(site, "gateway", "127.0.0.1");
}, 60_000);

afterAll(async () => await site[Symbol.asyncDispose](), 30_000);

/** Says `text`, and resolves with what is answered once it fits. */
async function answerTo(text: string, fits: RegExp): Promise<string> {
  const { promise, resolve } = Promise.withResolvers<void>();
  const socket = connect(port, "127.0.0.1");
  const timer = setTimeout(resolve, 5_000);
  let answer = "";
  socket.on("data", (chunk) => {
    answer += chunk.toString("latin1");
    if (fits.test(answer)) resolve();
  });
  // Whatever it ends by, the answer is what we look at.
  socket.on("error", () => resolve());
  socket.on("close", () => resolve());
  socket.write(text, "latin1");
  await promise;
  clearTimeout(timer);
  socket.destroy();
  return answer;
}

for (const [what, text, answer] of CASES) {
  test(`a gateway behind a proxy has an answer to ${what}`, async () => {
    expect(await answerTo(text, answer)).toMatch(answer);
    // It serves the next one as ever.
    await using link = await RawLink.dial({
      url: `ws://127.0.0.1:${port}/tunnel`,
    });
    expect((await link.closed).code).toBe(4401);
  }, 20_000);
}

/** Says `frame` on a link, stays, and resolves with what was answered. */
async function cutAfter(frame: string): Promise<string> {
  const socket = connect({ port, host: "127.0.0.1", allowHalfOpen: true });
  const cut = Promise.withResolvers<void>();
  let answer = "";
  socket.on("data", (chunk) => void (answer += chunk.toString("latin1")));
  // That writing fails is how it shows.
  socket.on("error", () => cut.resolve());
  socket.write(`${GET}${ASK}${HEADER}\r\n${frame}`, "latin1");
  const drip = setInterval(() => socket.write("x"), 50);
  await cut.promise;
  clearInterval(drip);
  socket.destroy();
  return answer;
}

test("a peer that breaks the framing, and stays, is cut in 5 s", async () => {
  const startMs = performance.now();
  const answers = await Promise.all([
    // RFC 6455 §5.2: a text of 2^40 bytes, and one that is not masked.
    cutAfter("\x81\xff\0\0\x01\0\0\0\0\0\0\0\0\0"),
    cutAfter("\x81\x02{}"),
  ]);
  expect(performance.now() - startMs).toBeLessThan(5_000);
  // §5.5.1: a close frame with 1009, and with 1002.
  expect(answers.map((answer) => answer.slice(-4))).toEqual([
    "\x88\x02\x03\xf1",
    "\x88\x02\x03\xea",
  ]);
}, 20_000);
