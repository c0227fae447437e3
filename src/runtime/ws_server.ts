import { createServer, type IncomingMessage, type Server } from "node:http";
import type { AddressInfo, Socket } from "node:net";
import type { Duplex } from "node:stream";
import { createServer as createTlsServer, type TLSSocket } from "node:tls";
import { getRequestListener } from "@hono/node-server";
import { WebSocketServer } from "ws";
import { Fault } from "../protocol/fault.ts";
import {
  STREAM_MESSAGE_MAX_BYTES,
  V1_MESSAGE_MAX_BYTES,
} from "../protocol/limits.ts";
import type { Link } from "../transport/link.ts";
import type { Caller, PeerCertificate, Visitor } from "../transport/visitor.ts";
import { acceptFrames } from "./accept_frames.ts";
import { plainAddress } from "./plain_address.ts";
import { RequestTimers } from "./request_timers.ts";
import { WsLink } from "./ws_link.ts";

/** A peer that has not finished its request by then is cut. */
const REQUEST_TIMEOUT_MS = 10_000;

/** PEM texts of a gateway that speaks mutual TLS itself. */
export interface ServerTls {
  readonly cert: string;
  readonly key: string;
  readonly clientCa: string;
}

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
export async function listenWebSockets(
  host: string,
  port: number,
  tls: ServerTls | undefined,
  ports: ServerPorts,
): Promise<WsServer> {
  const timers = new RequestTimers(REQUEST_TIMEOUT_MS);
  const http = newHttpServer(ports, timers);
  const connections = new Set<Socket>();
  const outer = tls ? newTlsServer(tls, http, timers) : http;
  outer.on("connection", (socket: Socket) => {
    connections.add(socket);
    socket.once("close", () => connections.delete(socket));
  });
  await new Promise<void>((resolve, reject) => {
    outer.once(
      "error",
      (error: NodeJS.ErrnoException) => reject(cannotListen(error, host, port)),
    );
    outer.listen(port, host, resolve);
  });
  return {
    host,
    port: (outer.address() as AddressInfo).port,
    setTls: (next) => {
      if ("setSecureContext" in outer) outer.setSecureContext(contextOf(next));
    },
    stopListening: () => void outer.close(),
    [Symbol.asyncDispose]: () => {
      outer.close();
      for (const socket of connections) socket.destroy();
      return Promise.resolve();
    },
  };
}

function newHttpServer(ports: ServerPorts, timers: RequestTimers): Server {
  const chosen = new WeakMap<IncomingMessage, string>();
  const serverFor = (maxPayload: number) =>
    new WebSocketServer({
      noServer: true,
      perMessageDeflate: false,
      maxPayload,
      // The visitor has chosen by the time this is asked.
      handleProtocols: (_offered, request) => chosen.get(request) ?? false,
    });
  const webSockets = serverFor(STREAM_MESSAGE_MAX_BYTES);
  const v1WebSockets = serverFor(V1_MESSAGE_MAX_BYTES);
  const listener = getRequestListener(
    (request, { incoming }) =>
      ports.request(request, callerOf(incoming as IncomingMessage)),
    // Bun's own Request and Response stay what they are.
    { overrideGlobalObjects: false },
  );
  const http = createServer({ requestTimeout: REQUEST_TIMEOUT_MS }, listener);
  http.on("upgrade", (request, socket: Duplex, head) => {
    // A peer that resets while we think must not be an unhandled error.
    socket.on("error", destroySocket);
    timers.stop(request.socket);
    // The base only completes a relative reference; nothing of it is used.
    const url = URL.parse(request.url ?? "", "http://localhost");
    if (!url) return refuse(socket, 400, pathInvalid());
    const accept = (subprotocol: string | undefined) => {
      if (subprotocol !== undefined) chosen.set(request, subprotocol);
      const server = subprotocol === undefined ? v1WebSockets : webSockets;
      return upgrade(server, request, socket, head, subprotocol);
    };
    ports.visit(visitorOf(request, url, socket, accept));
  });
  http.on("request", (request, response) => {
    timers.stop(request.socket);
    response.once("close", () => timers.start(request.socket));
  });
  return http;
}

/** One for all: a closure would keep the request as long as the link. */
function destroySocket(this: Duplex): void {
  this.destroy();
}

function upgrade(
  webSockets: WebSocketServer,
  request: IncomingMessage,
  socket: Duplex,
  head: Buffer,
  subprotocol: string | undefined,
): Promise<Link> {
  return new Promise((resolve, reject) => {
    if (socket.destroyed) {
      return reject(new Fault("linkLost", "The caller left before an answer"));
    }
    const left = () =>
      reject(new Fault("linkLost", "The caller left during the handshake"));
    socket.once("close", left);
    const peerAddress = plainAddress(request.socket.remoteAddress);
    const own = subprotocol === undefined
      ? undefined
      : acceptFrames(request, socket, head, subprotocol, peerAddress);
    if (own) {
      socket.off("close", left);
      return resolve(own);
    }
    webSockets.handleUpgrade(request, socket, head, (webSocket) => {
      (socket as Socket).setNoDelay?.(true);
      // It would keep the request as long as the link.
      socket.off("close", left);
      resolve(new WsLink(webSocket, peerAddress));
    });
  });
}

function newTlsServer(tls: ServerTls, http: Server, timers: RequestTimers) {
  const server = createTlsServer({
    ...contextOf(tls),
    requestCert: true,
    rejectUnauthorized: false,
    minVersion: "TLSv1.2",
    ALPNProtocols: ["http/1.1"],
    handshakeTimeout: REQUEST_TIMEOUT_MS,
  }, (socket) => {
    timers.start(socket);
    http.emit("connection", socket);
  });
  // One caller's bad handshake is its own affair.
  server.on("tlsClientError", (_error, socket) => socket.destroy());
  return server;
}

function contextOf(tls: ServerTls) {
  return { cert: tls.cert, key: tls.key, ca: tls.clientCa };
}

function visitorOf(
  request: IncomingMessage,
  url: URL,
  socket: Duplex,
  accept: Visitor["accept"],
): Visitor {
  const offered = request.headers["sec-websocket-protocol"] ?? "";
  return {
    ...callerOf(request),
    path: url.pathname,
    query: url.searchParams,
    subprotocols: offered.split(",").map((name) => name.trim()).slice(0, 16),
    accept,
    refuse: (status, fault) => refuse(socket, status, fault),
  };
}

function refuse(socket: Duplex, status: number, fault: Fault): void {
  const { code, message, hint } = fault;
  const body = JSON.stringify({ code, message, hint });
  const retryAfter = fault.retryAfterMs === undefined
    ? ""
    : `Retry-After: ${Math.ceil(fault.retryAfterMs / 1000)}\r\n`;
  // A caller that does not close its side would keep the connection for ever.
  socket.once("finish", () => socket.destroy());
  socket.end(
    `HTTP/1.1 ${status} Refused\r\nContent-Type: application/json\r\n` +
      `Content-Length: ${Buffer.byteLength(body)}\r\n${retryAfter}` +
      `Connection: close\r\n\r\n${body}`,
  );
}

function pathInvalid(): Fault {
  return new Fault("messageInvalid", "Cannot read the path of the request", {
    hint: "Check that the address is a gateway's, ending in /tunnel",
  });
}

function callerOf(request: IncomingMessage): Caller {
  return {
    peerAddress: plainAddress(request.socket.remoteAddress),
    certificate: certificateOf(request.socket),
    header: (name) => {
      const value = request.headers[name.toLowerCase()];
      return Array.isArray(value) ? value.join(", ") : value;
    },
  };
}

function certificateOf(socket: Socket): PeerCertificate | undefined {
  if (!("getPeerCertificate" in socket)) return undefined;
  const tlsSocket = socket as TLSSocket;
  const peer = tlsSocket.getPeerCertificate();
  if (!peer?.raw) return undefined;
  const error: unknown = tlsSocket.authorizationError;
  const code = (error as { code?: string } | null)?.code ?? String(error);
  return {
    subject: Object.fromEntries(
      Object.entries(peer.subject).map(([type, value]) => [type, value ?? ""]),
    ),
    rejection: tlsSocket.authorized ? undefined : code,
    raw: peer.raw,
    notAfterMs: Date.parse(peer.valid_to),
  };
}

function cannotListen(
  error: NodeJS.ErrnoException,
  host: string,
  port: number,
): Fault {
  const why = error.code === "EADDRINUSE"
    ? "another program listens there"
    : error.code ?? "unknown reason";
  return new Fault(
    "configInvalid",
    `Cannot listen on ${host}:${port}: ${why}`,
    {
      hint: "Choose another address or port with `listen`",
      cause: error,
    },
  );
}
