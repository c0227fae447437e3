import { expect, test } from "bun:test";
import { Fault } from "../../src/protocol/fault.ts";
import { V1Bench } from "./v1_bench.ts";

/** Cuts the link that stands, and lets the agent in again. */
async function comeBack(bench: V1Bench): Promise<void> {
  bench.link.links.wire.cut();
  await bench.clock.advance(2_000);
  await bench.link.welcome();
}

function types(bench: V1Bench): unknown[] {
  return bench.link.heard.map(({ type }) => type);
}

test("item 13: it asks twice whether the relay knows it, and takes no place for that", async () => {
  await using bench = await V1Bench.online();
  await bench.clock.advance(5_000);
  const asked = ["register_agent", "start_tcp_tunnel", "close_tunnel"];
  expect(types(bench)).toEqual(asked);
  const [, question, end] = bench.link.heard;
  expect(question).toMatchObject({
    id: 7,
    service: "self",
    "client_cn": "CID-7",
  });
  expect(end?.["tunnel_id"]).toBe(question?.["tunnel_id"]);
  await bench.clock.advance(3_600_000);
  expect(types(bench)).toEqual([...asked, ...asked.slice(1)]);
  expect(bench.log.lines.filter((line) => !line.startsWith("link.open")))
    .toEqual([]);
});

test("item 13: a relay that has forgotten us is told again", async () => {
  await using bench = await V1Bench.online();
  await comeBack(bench);
  bench.link.knows = "no";
  await bench.clock.advance(5_000);
  expect(types(bench))
    .toEqual(["register_agent", "start_tcp_tunnel", "register_agent"]);
  const [first, , second] = bench.link.heard;
  expect(second).toEqual(first ?? {});
  bench.link.knows = "yes";
  await bench.clock.advance(3_600_000);
  expect(bench.link.of("register_agent")).toHaveLength(2);
  expect(bench.log.lines.filter((line) => line.startsWith("link.unknown")))
    .toEqual(['link.unknown {"answer":"unknown"}']);
});

test("item 13: where no answer comes, only one who has come back registers again", async () => {
  await using bench = await V1Bench.online();
  bench.link.knows = "no answer";
  await bench.clock.advance(3_600_000);
  expect(bench.link.of("register_agent")).toHaveLength(1);
  await comeBack(bench);
  bench.link.knows = "no answer";
  await bench.clock.advance(3_600_000);
  expect(bench.link.of("register_agent")).toHaveLength(3);
});

test("a relay that cuts whoever asks is not asked again", async () => {
  await using bench = await V1Bench.online();
  bench.link.knows = "no answer";
  await bench.clock.advance(6_000);
  expect(bench.link.of("start_tcp_tunnel")).toHaveLength(1);
  await comeBack(bench);
  await bench.clock.advance(3_600_000);
  expect(types(bench))
    .toEqual(["register_agent", "register_agent", "register_agent"]);
});

test("a gateway of ours is not asked: there the newest link wins", async () => {
  await using bench = new V1Bench();
  await bench.clock.advance(0);
  await bench.link.welcome({ protocols: [1, 2] });
  await bench.clock.advance(3_600_000);
  expect(types(bench)).toEqual(["register_agent"]);
});

test("a gateway that has learned protocol 2 meanwhile is asked for it", async () => {
  await using bench = await V1Bench.online();
  bench.speaks2 = true;
  bench.link.links.wire.cut();
  await bench.clock.advance(2_000);
  // As it is remembered.
  expect(bench.link.dial.subprotocol).toBeUndefined();
  await bench.link.welcome({ protocols: [1, 2] });
  await bench.clock.advance(5_000);
  expect(bench.link.dial.subprotocol).toBe("migasfree.control.v2");
  expect(bench.link.heard[0]).toMatchObject({ type: "hello" });
});

test("item 10: the manager's list is refreshed, which takes no place at the relay", async () => {
  await using bench = await V1Bench.online();
  let askedCount = 0;
  bench.findGateway = () => {
    askedCount++;
    return askedCount === 2
      ? Promise.reject(new Fault("gatewayRefused", "Out of order"))
      : Promise.resolve("wss://relay.test/tunnel");
  };
  await bench.clock.advance(3_599_000);
  expect(askedCount).toBe(2);
  expect(bench.log.lines.at(-1))
    .toBe("link.unlisted {} gatewayRefused: Out of order");
  expect(bench.link.of("register_agent")).toHaveLength(1);
  expect(bench.links).toHaveLength(1);
});
