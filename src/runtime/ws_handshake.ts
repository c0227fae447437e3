import { createHash } from "node:crypto";
import type { IncomingMessage } from "node:http";
import { Fault } from "../protocol/fault.ts";
import {
  STREAM_MESSAGE_MAX_BYTES,
  V1_MESSAGE_MAX_BYTES,
} from "../protocol/limits.ts";
import type { Link } from "../transport/link.ts";
import { FrameLink } from "./frame_link.ts";
import type { RawSocket, SocketOwner } from "./raw_socket.ts";

/** RFC 6455 §1.3. */
const ACCEPT_GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/** RFC 6455 §4.1: sixteen bytes in base64. */
const KEY_REGEXP = /^[A-Za-z0-9+/]{22}==$/;
const WEBSOCKET_VERSION = "13";
const VERSION_HEADER = `Sec-WebSocket-Version: ${WEBSOCKET_VERSION}`;

/** How long a caller that was refused may take to read why, and to leave. */
const FAREWELL_MS = 500;

/** A connection between a WebSocket's request and the answer to it. */
export class WsHandshake implements SocketOwner {
  readonly #socket: RawSocket;
  readonly #request: IncomingMessage;
  /** What came behind the request: frames, if it is accepted. */
  readonly #early: Uint8Array[];
  #isGone = false;
  #farewell: ReturnType<typeof setTimeout> | undefined;

  /** Takes `socket` over, and reads no more of it until it is accepted. */
  constructor(socket: RawSocket, request: IncomingMessage, head: Uint8Array) {
    this.#socket = socket;
    this.#request = request;
    this.#early = head.length > 0 ? [head] : [];
    socket.data = this;
    socket.pause();
  }

  /**
   * Completes it (RFC 6455 §4.2.2).
   *
   * @throws {Fault} `linkLost` if the caller has left, or has asked for no
   * WebSocket.
   */
  accept(subprotocol: string | undefined): Link {
    if (this.#isGone) {
      throw new Fault("linkLost", "The caller left before an answer");
    }
    const key = keyOf(this.#request);
    if (key === undefined) {
      const isGet = this.#request.method === "GET";
      const status = isGet ? "400 Bad Request" : "405 Method Not Allowed";
      this.answer(status, isGet ? [VERSION_HEADER] : ["Allow: GET"], "");
      throw new Fault("linkLost", "The caller asked for no WebSocket");
    }
    const accept = createHash("sha1").update(key + ACCEPT_GUID);
    const lines = [
      "HTTP/1.1 101 Switching Protocols",
      "Upgrade: websocket",
      "Connection: Upgrade",
      `Sec-WebSocket-Accept: ${accept.digest("base64")}`,
    ];
    if (subprotocol !== undefined) {
      lines.push(`Sec-WebSocket-Protocol: ${subprotocol}`);
    }
    this.#socket.write(`${lines.join("\r\n")}\r\n\r\n`);
    const maxBytes = subprotocol === undefined
      ? V1_MESSAGE_MAX_BYTES
      : STREAM_MESSAGE_MAX_BYTES;
    return new FrameLink(this.#socket, this.#early, maxBytes);
  }

  /** Answers with an HTTP `status` in its place, and lets the caller go. */
  answer(status: string, headers: readonly string[], body: string): void {
    if (this.#isGone) return;
    this.#early.length = 0;
    const lines = [
      `HTTP/1.1 ${status}`,
      ...headers,
      `Content-Length: ${Buffer.byteLength(body)}`,
      "Connection: close",
    ];
    // A new connection's buffer takes so little at once.
    this.#socket.write(`${lines.join("\r\n")}\r\n\r\n${body}`);
    this.#socket.shutdown();
    // Read and dropped: closed over unread bytes, it would be a reset.
    this.#socket.resume();
    // Who does not close its side would keep the connection for ever.
    this.#farewell = setTimeout(() => this.#socket.end(), FAREWELL_MS);
  }

  received(chunk: Uint8Array): void {
    if (!this.#farewell) this.#early.push(chunk);
  }

  drained(): void {
    // Nothing waits: see answer().
  }

  peerEnded(): void {
    if (this.#farewell) this.#socket.end();
    else this.#isGone = true;
  }

  gone(): void {
    this.#isGone = true;
    clearTimeout(this.#farewell);
  }
}

/** Undefined: it is no handshake of RFC 6455 §4.2.1. */
function keyOf({ headers, method }: IncomingMessage): string | undefined {
  const key = headers["sec-websocket-key"] ?? "";
  const isWhole = method === "GET" && KEY_REGEXP.test(key) &&
    headers.upgrade?.toLowerCase() === "websocket" &&
    headers["sec-websocket-version"] === WEBSOCKET_VERSION;
  return isWhole ? key : undefined;
}
