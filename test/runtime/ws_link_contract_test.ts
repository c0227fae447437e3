import { type LinkPair, testLinkContract } from "../contract/link_contract.ts";
import { WsBench, type WsTls } from "../support/ws_bench.ts";
import { wsDevTls } from "../support/ws_dev_tls.ts";

async function openPair(
  tls: WsTls | undefined,
  near: "dialed" | "accepted",
): Promise<LinkPair> {
  const bench = WsBench.open(tls);
  const { dialed, accepted } = await bench.pair();
  return {
    near: near === "dialed" ? dialed : accepted,
    far: near === "dialed" ? accepted : dialed,
    [Symbol.asyncDispose]: () => bench[Symbol.asyncDispose](),
  };
}

for (const near of ["dialed", "accepted"] as const) {
  const name = near === "dialed" ? "A dialed" : "An accepted";
  testLinkContract(`${name} WebSocket`, () => openPair(undefined, near));
  testLinkContract(
    `${name} WebSocket over mutual TLS`,
    async () => openPair(await wsDevTls(), near),
  );
}
