import type { AddressInfo, Server, Socket } from "node:net";
import { Fault } from "../../src/protocol/fault.ts";
import { STREAM_SUBPROTOCOL } from "../../src/protocol/version.ts";
import { HttpsClient } from "../../src/runtime/https_client.ts";
import { dialWebSocket, type TlsMaterial } from "../../src/runtime/ws_dial.ts";
import { rejection } from "./rejection.ts";

/** How a test dials: to `host:port`, with `tls`, perhaps through a proxy. */
export interface DialBoth {
  readonly host: string;
  readonly port: number;
  readonly tls?: Partial<TlsMaterial>;
  readonly proxy?: string;
}

/** What a failed dial came to; the port is shown as PORT. */
export type DialOutcome = readonly [
  code: string,
  message: string,
  hint: string | undefined,
];

const DIAL_TIMEOUT_MS = 10_000;

/**
 * Asks over HTTPS and dials a WebSocket, which must both fail, and alike.
 * Returns how.
 */
export async function dialBoth(dial: DialBoth): Promise<DialOutcome> {
  const [asked, dialed] = await dialEach(dial);
  if (JSON.stringify(asked) !== JSON.stringify(dialed)) {
    throw new Error(`fetch says ${asked}, but ws says ${dialed}`);
  }
  return asked;
}

/** As {@linkcode dialBoth}; returns how `fetch` failed, and how `ws` did. */
export async function dialEach(
  dial: DialBoth,
): Promise<[asked: DialOutcome, dialed: DialOutcome]> {
  const { host, port, proxy } = dial;
  const tls: TlsMaterial = {
    ca: undefined,
    cert: undefined,
    key: undefined,
    insecure: false,
    ...dial.tls,
  };
  const signal = new AbortController().signal;
  const timeoutMs = DIAL_TIMEOUT_MS;
  const client = new HttpsClient({ tls, proxy, timeoutMs });
  const asking = client.getJson(`https://${host}:${port}/`, signal);
  const dialing = dialWebSocket({
    url: `wss://${host}:${port}/tunnel`,
    subprotocol: STREAM_SUBPROTOCOL,
    headers: {},
    tls,
    proxy,
    timeoutMs,
  }, signal);
  const faults = await Promise.all([asking, dialing].map(rejection));
  const [asked, dialed] = faults.map((fault) => outcome(fault, port));
  if (!asked || !dialed) throw new Error("Expected two faults");
  return [asked, dialed];
}

function outcome(error: unknown, port: number): DialOutcome {
  const { code, hint, message } = Fault.from(error);
  const plain = (text: string) => text.replaceAll(String(port), "PORT");
  return [code, plain(message), hint && plain(hint)];
}

/** A server on a free port of this computer, for as long as a test needs it. */
export class TestServer implements AsyncDisposable {
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();

  private constructor(server: Server) {
    this.#server = server;
    server.on("connection", (socket) => {
      this.#sockets.add(socket);
      socket.once("close", () => this.#sockets.delete(socket));
    });
  }

  static async listen(server: Server): Promise<TestServer> {
    const { promise, resolve } = Promise.withResolvers<void>();
    server.listen(0, "127.0.0.1", resolve);
    await promise;
    return new TestServer(server);
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#server.close(() => resolve());
    for (const socket of this.#sockets) socket.destroy();
    await promise;
  }
}
