import { STREAM_SUBPROTOCOL } from "../../src/protocol/version.ts";
import { dialWebSocket, type TlsMaterial } from "../../src/runtime/ws_dial.ts";
import type { ServerTls } from "../../src/runtime/raw_listener.ts";
import {
  listenWebSockets,
  type WsServer,
} from "../../src/runtime/ws_server.ts";
import type { Link } from "../../src/transport/link.ts";
import type { Visitor } from "../../src/transport/visitor.ts";

/** Whom both sides believe, and what they show. */
export interface WsTls {
  readonly server: ServerTls;
  readonly client: TlsMaterial;
}

const NO_TLS: TlsMaterial = {
  ca: undefined,
  cert: undefined,
  key: undefined,
  insecure: false,
};
const DIAL_TIMEOUT_MS = 10_000;
const NEVER = new AbortController().signal;

/** A real server on 127.0.0.1 that accepts every caller, and its dialer. */
export class WsBench implements AsyncDisposable {
  readonly server: WsServer;
  readonly #tls: WsTls | undefined;
  readonly #visits: PromiseWithResolvers<Link>[];
  readonly #links: Link[] = [];

  private constructor(
    server: WsServer,
    tls: WsTls | undefined,
    visits: PromiseWithResolvers<Link>[],
  ) {
    this.server = server;
    this.#tls = tls;
    this.#visits = visits;
  }

  /** @param visit Answers a caller in its own way; by default, accepts it. */
  static open(
    tls?: WsTls,
    visit: (visitor: Visitor) => Promise<Link> = accept,
  ): WsBench {
    const visits: PromiseWithResolvers<Link>[] = [];
    const server = listenWebSockets("127.0.0.1", 0, tls?.server, {
      visit: (visitor) => {
        const waiting = visits.shift() ?? Promise.withResolvers<Link>();
        visit(visitor).then(waiting.resolve, waiting.reject);
      },
      request: () => new Response("no link"),
    });
    return new WsBench(server, tls, visits);
  }

  get url(): string {
    const scheme = this.#tls ? "wss" : "ws";
    return `${scheme}://127.0.0.1:${this.server.port}/tunnel`;
  }

  dial(signal: AbortSignal = NEVER): Promise<Link> {
    return dialWebSocket({
      url: this.url,
      subprotocol: STREAM_SUBPROTOCOL,
      headers: { "X-Agent-ID": "7" },
      tls: this.#tls?.client ?? NO_TLS,
      proxy: undefined,
      timeoutMs: DIAL_TIMEOUT_MS,
    }, signal);
  }

  /** Returns both ends of one link. */
  async pair(): Promise<{ readonly dialed: Link; readonly accepted: Link }> {
    const visit = Promise.withResolvers<Link>();
    this.#visits.push(visit);
    const [dialed, accepted] = await Promise.all([this.dial(), visit.promise]);
    this.#links.push(dialed, accepted);
    return { dialed, accepted };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const link of this.#links) link.terminate();
    await this.server[Symbol.asyncDispose]();
  }
}

function accept(visitor: Visitor): Promise<Link> {
  return visitor.accept(STREAM_SUBPROTOCOL);
}
