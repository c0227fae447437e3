import { expect, test } from "bun:test";
import { Fault } from "../../src/protocol/fault.ts";
import { STREAM_SUBPROTOCOL } from "../../src/protocol/version.ts";
import { dialWebSocket } from "../../src/runtime/ws_dial.ts";
import { rejection } from "../support/rejection.ts";
import { serveTcp } from "../support/tcp_peer.ts";

const NEVER = new AbortController().signal;

test("dialWebSocket() takes no connection that breaks off under TLS for an old gateway", async () => {
  let count = 0;
  await using server = await serveTcp((socket) => {
    count++;
    socket.resetAndDestroy();
  });
  const dial = {
    url: `wss://127.0.0.1:${server.port}/tunnel`,
    subprotocol: STREAM_SUBPROTOCOL,
    headers: {},
    tls: { ca: undefined, cert: undefined, key: undefined, insecure: false },
    proxy: undefined,
    timeoutMs: 5_000,
  };
  const codes = new Set<string>();
  for (let attempt = 0; attempt < 20; attempt++) {
    const error = Fault.from(await rejection(dialWebSocket(dial, NEVER)));
    codes.add(error.code);
  }
  // Whichever word the runtime has for it: all of them may pass.
  for (const code of codes) {
    expect(["gatewayUnreachable", "gatewayRefused"]).toContain(code);
  }
  expect(count).toBeGreaterThanOrEqual(20);
});
