import { readFile } from "node:fs/promises";
import {
  createServer as createHttpServer,
  type IncomingMessage,
} from "node:http";
import type { Socket } from "node:net";
import { createServer, type TLSSocket } from "node:tls";
import { WebSocketServer } from "ws";
import { TestServer } from "./dial_both.ts";
import { RawLink } from "./raw_link.ts";
import type { Site } from "./site.ts";

/** A link that somebody dialed, with what its handshake said. */
export interface RawVisit {
  readonly link: RawLink;
  readonly path: string;
  readonly headers: IncomingMessage["headers"];
  /** Of the certificate that was shown, in hexadecimal. */
  readonly serial: string | undefined;
}

const VISIT_TIMEOUT_MS = 15_000;

/** The answer of a gateway that wants nothing special of an agent. */
export const RAW_WELCOME = {
  type: "welcome",
  version: 2,
  software: "raw",
  heartbeat: { interval_ms: 20_000, timeout_ms: 42_000 },
  "retry_cap_ms": 1_000,
  "tunnels_max": 64,
};

/** A gateway that does nothing by itself but accept every link. */
export class RawGateway implements AsyncDisposable {
  readonly url: string;
  readonly #server: TestServer;
  readonly #unmet: RawVisit[] = [];
  #waiting: ((visit: RawVisit) => void) | undefined;

  private constructor(server: TestServer) {
    this.#server = server;
    this.url = `wss://localhost:${server.port}/tunnel`;
  }

  /**
   * Listens on a free port, with the certificate of the site's gateway.
   *
   * @param date What time it is, for whoever asks for a page.
   */
  static async listen(site: Site, date?: Date): Promise<RawGateway> {
    const [cert, key, ca] = await Promise.all(
      ["gateway/cert.pem", "gateway/key.pem", "ca.pem"]
        .map((name) => readFile(`${site.pkiDir}/${name}`, "utf8")),
    );
    const webSockets = new WebSocketServer({
      noServer: true,
      perMessageDeflate: false,
    });
    const http = createHttpServer((_request, response) => {
      response.sendDate = false;
      const headers = date ? { Date: date.toUTCString() } : {};
      response.writeHead(404, headers).end();
    });
    const tls = createServer({ cert, key, ca, requestCert: true } as object);
    tls.on("secureConnection", (socket) => http.emit("connection", socket));
    // A bad handshake is what some tests look at from the other side.
    tls.on("tlsClientError", (_error, socket) => socket.destroy());
    const gateway = new RawGateway(await TestServer.listen(tls));
    http.on("upgrade", (request, socket: Socket, head) => {
      webSockets.handleUpgrade(request, socket, head, (webSocket) => {
        gateway.#meet({
          link: new RawLink(webSocket),
          path: request.url ?? "",
          headers: request.headers,
          serial: (request.socket as TLSSocket).getPeerCertificate()
            .serialNumber,
        });
      });
    });
    return gateway;
  }

  /** The next link that is dialed, or was and nobody has met yet. */
  async visit(): Promise<RawVisit> {
    const early = this.#unmet.shift();
    if (early) return early;
    const { promise, resolve, reject } = Promise.withResolvers<RawVisit>();
    const timer = setTimeout(
      () => reject(new Error("Nobody dialed the gateway")),
      VISIT_TIMEOUT_MS,
    );
    this.#waiting = resolve;
    try {
      return await promise;
    } finally {
      clearTimeout(timer);
      this.#waiting = undefined;
    }
  }

  /** The next control link, with its hello heard and a welcome said. */
  async welcome(welcome: object = RAW_WELCOME): Promise<RawLink> {
    const { link } = await this.visit();
    await link.nextOf("hello");
    link.send(welcome);
    return link;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#server[Symbol.asyncDispose]();
  }

  #meet(visit: RawVisit): void {
    const waiting = this.#waiting;
    if (!waiting) return void this.#unmet.push(visit);
    this.#waiting = undefined;
    waiting(visit);
  }
}
