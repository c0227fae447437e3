import { createHash } from "node:crypto";
import type { IncomingMessage } from "node:http";
import type { Duplex } from "node:stream";
import { TLSSocket } from "node:tls";
import { FrameLink } from "./frame_link.ts";

/** RFC 6455 §1.3. */
const ACCEPT_GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/** RFC 6455 §4.1: sixteen bytes in base64. */
const KEY_REGEXP = /^[A-Za-z0-9+/]{22}==$/;
const WEBSOCKET_VERSION = "13";

/**
 * Answers a WebSocket's handshake (RFC 6455 §4.2.2) over a socket of
 * `node:tls`, and returns the link that it is from then on.
 *
 * Undefined, and nothing answered: it is for the runtime's `ws`, which serves
 * sockets without TLS well and knows how to refuse a bad handshake.
 */
export function acceptFrames(
  request: IncomingMessage,
  socket: Duplex,
  head: Uint8Array,
  subprotocol: string,
  remoteAddress: string,
): FrameLink | undefined {
  const { headers, method } = request;
  const key = headers["sec-websocket-key"] ?? "";
  const isWhole = method === "GET" && KEY_REGEXP.test(key) &&
    headers.upgrade?.toLowerCase() === "websocket" &&
    headers["sec-websocket-version"] === WEBSOCKET_VERSION;
  if (!isWhole || !(socket instanceof TLSSocket)) return undefined;
  const accept = createHash("sha1").update(key + ACCEPT_GUID).digest("base64");
  socket.setNoDelay(true);
  socket.write(
    "HTTP/1.1 101 Switching Protocols\r\n" +
      "Upgrade: websocket\r\n" +
      "Connection: Upgrade\r\n" +
      `Sec-WebSocket-Accept: ${accept}\r\n` +
      `Sec-WebSocket-Protocol: ${subprotocol}\r\n\r\n`,
  );
  return new FrameLink(socket, head, remoteAddress);
}
