import { expect } from "bun:test";
import { randomBytes } from "node:crypto";
import { FAULTS } from "../../src/protocol/fault.ts";
import { fuzzedText } from "../protocol/message_fuzz.ts";
import { runChild } from "../support/child.ts";
import { residentBytes } from "../support/process_memory.ts";
import { RAW_WELCOME, RawGateway } from "../support/raw_gateway.ts";
import type { RawLink, RawMessage } from "../support/raw_link.ts";
import { SeededRandom } from "../support/seeded_random.ts";
import { BINARY, Site } from "../support/site.ts";
import { serveTcp } from "../support/tcp_peer.ts";
import { notLinux, testUnless } from "../support/test_unless.ts";
import stream from "../vectors/stream.json";

// What a process holds resident is looked up as Linux tells it.
const test = testUnless(notLinux());

const SEED = Number(process.env["FUZZ_SEED"] ?? 0x6d66);
const TUNNEL_COUNT = 1_000;
const WARM_UP_COUNT = 200;
/** Said on each tunnel at most; what breaks a rule ends it before. */
const MESSAGE_COUNT = 50;

/** What 800 tunnels would leave behind at 64 KiB each is twice as much. */
const GROWTH_MAX_BYTES = 24 * 1024 * 1024;

/** RFC 6455 §7.4.1: a clean end, none at all, and a message too long. */
const CLEAN_CLOSES = [1000, 1006, 1009];

function* randomMessages(random: SeededRandom): Generator<RawMessage> {
  const seeds = stream.vectors.flatMap((vector) =>
    "message" in vector ? [vector.message as object] : []
  );
  for (;;) {
    const isText = random.chance(0.9);
    yield isText
      ? fuzzedText(random, seeds).toWellFormed()
      : randomBytes(random.below(1_000));
  }
}

/** Asks the agent for a tunnel. Returns its link. */
async function openTunnel(
  gateway: RawGateway,
  control: RawLink,
): Promise<RawLink> {
  const tunnel = randomBytes(16).toString("hex");
  control.send({
    type: "open",
    tunnel,
    service: "echo",
    operator: "raw",
    ticket: tunnel,
    deadline_ms: 10_000,
  });
  const { link, path } = await gateway.visit();
  expect(path).toBe("/tunnel/stream");
  const { heartbeat } = RAW_WELCOME;
  link.send({ type: "joined", tunnel, heartbeat });
  return link;
}

test(
  `an agent lives through ${TUNNEL_COUNT} tunnels of random messages`,
  async () => {
    await using site = await Site.create();
    const echo = site.own(
      await serveTcp((socket) => void socket.pipe(socket)),
    );
    await using gateway = await RawGateway.listen(site);
    const { child, config } = await site.agent({
      id: 7,
      url: gateway.url,
      services: { echo: echo.port },
      waitFor: /agent\.start/,
    });
    const control = await gateway.welcome();
    const messages = randomMessages(new SeededRandom(SEED));
    const codes = new Map<number, number>();
    let beforeBytes = 0;
    for (let count = 0; count < TUNNEL_COUNT; count++) {
      if (count === WARM_UP_COUNT) beforeBytes = await residentBytes(child.pid);
      await using link = await openTunnel(gateway, control);
      for (let said = 0; said < MESSAGE_COUNT; said++) {
        link.send(messages.next().value);
      }
      link.close(1000);
      const { code } = await link.closed;
      codes.set(code, (codes.get(code) ?? 0) + 1);
    }
    const known: number[] = Object.values(FAULTS).map((row) => row.closeCode);
    known.splice(known.indexOf(FAULTS.internal.closeCode), 1);
    for (const code of codes.keys()) {
      expect([...CLEAN_CLOSES, ...known]).toContain(code);
    }
    // The same random numbers, the same ends, mostly: not all by one rule.
    expect(codes.get(FAULTS.messageInvalid.closeCode)).toBeGreaterThan(100);
    expect(codes.size).toBeGreaterThan(3);
    const grownBytes = await residentBytes(child.pid) - beforeBytes;
    expect(grownBytes).toBeLessThan(GROWTH_MAX_BYTES);

    // It is online all the while, and nothing is left of them.
    const status = [BINARY, "status", "--json", "--config", config];
    const { stdout } = await runChild(status);
    expect(JSON.parse(stdout)).toMatchObject({ link: "online", tunnels: [] });
    expect(child.output().stderr).not.toContain("internal");
  },
  60_000,
);
