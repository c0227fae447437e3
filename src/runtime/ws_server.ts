import { createServer, type IncomingMessage, type Server } from "node:http";
import type { DetailedPeerCertificate } from "node:tls";
import { getRequestListener } from "@hono/node-server";
import { Fault } from "../protocol/fault.ts";
import type { Caller, PeerCertificate, Visitor } from "../transport/visitor.ts";
import { HttpStream } from "./http_stream.ts";
import { listenRaw, type ServerTls } from "./raw_listener.ts";
import { RequestTimers } from "./request_timers.ts";
import { WsHandshake } from "./ws_handshake.ts";

/** A peer that has not finished its request by then is cut. */
const REQUEST_TIMEOUT_MS = 10_000;

export interface ServerPorts {
  /** A WebSocket handshake; must answer it, now or later. */
  readonly visit: (visitor: Visitor) => void;
  /** Any other request. */
  readonly request: (
    request: Request,
    caller: Caller,
  ) => Response | Promise<Response>;
}

export interface WsServer extends AsyncDisposable {
  readonly host: string;
  readonly port: number;
  /** New handshakes use `tls`; open links keep what they have. */
  setTls(tls: ServerTls): void;
  /** Refuses new connections from now on; those that stand go on. */
  stopListening(): void;
}

/**
 * Listens for links and requests at `host:port`, with mutual TLS if `tls` is
 * given. A peer's certificate is asked for and reported, never enforced here:
 * who may do what is decided by the gateway, which can say why not.
 *
 * @throws {Fault} `configInvalid` if it cannot listen there.
 */
export function listenWebSockets(
  host: string,
  port: number,
  tls: ServerTls | undefined,
  ports: ServerPorts,
): WsServer {
  const timers = new RequestTimers(REQUEST_TIMEOUT_MS);
  const http = newHttpServer(ports, timers);
  const listener = listenRaw(host, port, tls, (socket, rejection) => {
    const stream = new HttpStream(socket, rejection);
    timers.start(stream);
    http.emit("connection", stream);
  });
  return {
    host,
    port: listener.port,
    setTls: (next) => listener.setTls(next),
    stopListening: () => listener.stop(),
    [Symbol.asyncDispose]: () => {
      listener[Symbol.dispose]();
      return Promise.resolve();
    },
  };
}

function newHttpServer(ports: ServerPorts, timers: RequestTimers): Server {
  const listener = getRequestListener(
    (request, { incoming }) =>
      ports.request(request, callerOf(incoming as IncomingMessage)),
    // Bun's own Request and Response stay what they are.
    { overrideGlobalObjects: false },
  );
  const http = createServer(listener);
  http.on("upgrade", (request, stream, head) => {
    const caller = callerOf(request);
    const { socket } = stream as HttpStream;
    const handshake = new WsHandshake(socket, request, head);
    timers.stop(stream);
    // From here on it has no connection; what kept it lets it go.
    stream.destroy();
    // The base only completes a relative reference; nothing of it is used.
    const url = URL.parse(request.url ?? "", "http://localhost");
    if (!url) return refuse(handshake, 400, pathInvalid());
    ports.visit(visitorOf(request, caller, url, handshake));
  });
  http.on("request", (request, response) => {
    timers.stop(request.socket);
    response.once("close", () => timers.start(request.socket));
  });
  return http;
}

function visitorOf(
  request: IncomingMessage,
  caller: Caller,
  url: URL,
  handshake: WsHandshake,
): Visitor {
  const offered = request.headers["sec-websocket-protocol"] ?? "";
  return {
    ...caller,
    path: url.pathname,
    query: url.searchParams,
    subprotocols: offered.split(",").map((name) => name.trim()).slice(0, 16),
    // deno-lint-ignore require-await -- what it throws is a rejection
    accept: async (subprotocol) => handshake.accept(subprotocol),
    refuse: (status, fault) => refuse(handshake, status, fault),
  };
}

function refuse(handshake: WsHandshake, status: number, fault: Fault): void {
  const { code, message, hint, retryAfterMs } = fault;
  const headers = ["Content-Type: application/json"];
  if (retryAfterMs !== undefined) {
    headers.push(`Retry-After: ${Math.ceil(retryAfterMs / 1000)}`);
  }
  const body = JSON.stringify({ code, message, hint });
  handshake.answer(`${status} Refused`, headers, body);
}

function pathInvalid(): Fault {
  return new Fault("messageInvalid", "Cannot read the path of the request", {
    hint: "Check that the address is a gateway's, ending in /tunnel",
  });
}

function callerOf(request: IncomingMessage): Caller {
  const stream = request.socket as unknown as HttpStream;
  const { headers } = request;
  return {
    peerAddress: stream.remoteAddress,
    certificate: certificateOf(stream),
    header: (name) => {
      const value = headers[name.toLowerCase()];
      return Array.isArray(value) ? value.join(", ") : value;
    },
  };
}

/** Undefined: it showed none, or there is no TLS. */
function certificateOf(
  { socket, rejection }: HttpStream,
): PeerCertificate | undefined {
  const peer = socket.getPeerCertificate() as DetailedPeerCertificate | null;
  if (!peer?.raw) return undefined;
  return {
    subject: Object.fromEntries(
      Object.entries(peer.subject).map(([type, value]) => [type, value ?? ""]),
    ),
    rejection,
    raw: peer.raw,
    notAfterMs: Date.parse(peer.valid_to),
  };
}
