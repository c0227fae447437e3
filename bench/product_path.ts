import { existsSync } from "node:fs";
import { BINARY, Site } from "../test/support/site.ts";
import type { BenchPath } from "./bench_path.ts";
import { PRODUCT } from "./suite.ts";

/** Three processes of the compiled binary, mutual TLS on both hops. */
export const PRODUCT_PATH: BenchPath = {
  name: PRODUCT,
  what: "operator, gateway and agent; mTLS on both hops, resumable",
  missing: () => existsSync(BINARY) ? undefined : "run ./scripts/build first",
  open: async (servicePort) => {
    const site = await Site.create();
    const gateway = await site.gateway();
    const { url } = gateway;
    const services = { bench: servicePort };
    const agent = await site.agent({ id: 7, url, services });
    const operator = await site.identity("operator", "bench");
    const flags = site.operatorFlags(url, operator);
    const args = ["connect", "7", "bench", "--listen", "127.0.0.1:0"];
    const child = site.start([BINARY, ...args, ...flags]);
    const line = await child.line(/^listening /);
    return {
      port: Number(line.split(":").at(-1)),
      pids: {
        gateway: gateway.child.pid,
        agent: agent.child.pid,
        operator: child.pid,
      },
      [Symbol.asyncDispose]: () => site[Symbol.asyncDispose](),
    };
  },
};
