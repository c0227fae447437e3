import { readFileSync } from "node:fs";
import {
  createServer,
  type IncomingMessage,
  type ServerResponse,
} from "node:http";
import {
  createServer as createTlsServer,
  type Server,
  TLSSocket,
} from "node:tls";
import type { Site } from "./site.ts";

/** How a question was asked. */
export interface Registration {
  readonly atMs: number;
  readonly path: string | undefined;
  readonly body: unknown;
  /** CN of the certificate that was shown. */
  readonly commonName: string | undefined;
}

/** One answer; its body is sent as JSON unless it is a text. */
export interface ManagerAnswer {
  readonly status: number;
  readonly body?: unknown;
  readonly headers?: Readonly<Record<string, string>>;
}

/**
 * migasfree's manager behind its proxy, as far as an agent sees it: mutual
 * TLS on demand, and 403 to whoever shows no certificate.
 */
export class FakeManager implements AsyncDisposable {
  readonly port: number;
  readonly registrations: Registration[] = [];
  /** Answers that are given before any other, one each. */
  readonly queue: ManagerAnswer[] = [];
  relay: string;
  readonly #server: Server;
  readonly #sockets = new Set<TLSSocket>();

  private constructor(
    server: Server,
    port: number,
    relay: string,
  ) {
    this.#server = server;
    this.port = port;
    this.relay = relay;
    // Bun's own HTTPS server cannot name the client's certificate.
    const http = createServer((request, response) => {
      void this.#answer(request, response);
    });
    server.on("secureConnection", (socket) => {
      this.#sockets.add(socket);
      socket.once("close", () => this.#sockets.delete(socket));
      http.emit("connection", socket);
    });
  }

  /** @param relay Where it sends the agents. */
  static async start(site: Site, relay: string): Promise<FakeManager> {
    const file = (name: string) => readFileSync(`${site.pkiDir}/${name}`);
    const server = createTlsServer({
      cert: file("gateway/cert.pem"),
      key: file("gateway/key.pem"),
      ca: file("ca.pem"),
      requestCert: true,
      rejectUnauthorized: false,
    });
    await new Promise<void>((resolve) =>
      server.listen(0, "127.0.0.1", () => resolve())
    );
    const address = server.address();
    if (address === null || typeof address === "string") {
      throw new Error("port");
    }
    return site.own(new FakeManager(server, address.port, relay));
  }

  async #answer(
    request: IncomingMessage,
    response: ServerResponse,
  ): Promise<void> {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk);
    if (request.method !== "POST") {
      response.end("-----BEGIN CERTIFICATE-----");
      return;
    }
    const { socket } = request;
    const subject = socket instanceof TLSSocket
      ? socket.getPeerCertificate().subject
      : undefined;
    this.registrations.push({
      atMs: performance.now(),
      path: request.url,
      body: JSON.parse(Buffer.concat(chunks).toString()),
      commonName: subject && String(subject.CN),
    });
    const refusal: ManagerAnswer | undefined = subject
      ? undefined
      : { status: 403, body: "<html>" };
    const { status, body, headers } = refusal ?? this.queue.shift() ??
      { status: 200, body: { relay: this.relay }, headers: {} };
    response.writeHead(status, headers);
    response.end(typeof body === "string" ? body : JSON.stringify(body));
  }

  [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    this.#server.close();
    return Promise.resolve();
  }
}
