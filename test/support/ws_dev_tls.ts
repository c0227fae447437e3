import { makeDevPki } from "./dev_pki.ts";
import type { WsTls } from "./ws_bench.ts";

let shared: Promise<WsTls> | undefined;

/** Returns what a gateway and one of its agents show each other. */
export function wsDevTls(): Promise<WsTls> {
  shared ??= makeTls();
  return shared;
}

async function makeTls(): Promise<WsTls> {
  await using pki = await makeDevPki();
  const computer = await pki.computer("aula-7");
  return {
    server: {
      cert: pki.gateway.certPem,
      key: pki.gateway.keyPem,
      clientCa: pki.caPem,
    },
    client: {
      ca: pki.caPem,
      cert: computer.certPem,
      key: computer.keyPem,
      insecure: false,
    },
  };
}
