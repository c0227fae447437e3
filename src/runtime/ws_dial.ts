import WebSocket from "ws";
import { Fault } from "../protocol/fault.ts";
import {
  STREAM_MESSAGE_MAX_BYTES,
  V1_MESSAGE_MAX_BYTES,
} from "../protocol/limits.ts";
import { answerFault } from "../transport/answer_fault.ts";
import type { Link } from "../transport/link.ts";
import { dialFault } from "./dial_fault.ts";
import { readJsonAnswer } from "./json_answer.ts";
import { WsLink } from "./ws_link.ts";

/** How a handshake shows who we are and whom we believe; PEM texts. */
export interface TlsMaterial {
  /** Undefined: the certificate authorities that Bun ships. */
  readonly ca: string | undefined;
  readonly cert: string | undefined;
  readonly key: string | undefined;
  /** Only for debugging, and said loudly where it is set. */
  readonly insecure: boolean;
}

export interface DialRequest {
  readonly url: string;
  /** Undefined: none is offered, which is how protocol 1 begins. */
  readonly subprotocol: string | undefined;
  readonly headers: Readonly<Record<string, string>>;
  readonly tls: TlsMaterial;
  /** `http://user:password@host:port` of an HTTP CONNECT proxy. */
  readonly proxy: string | undefined;
  readonly timeoutMs: number;
}

/**
 * Dials one WebSocket and resolves when the other side has accepted it.
 *
 * @throws {Fault} `gatewayUnreachable`, `gatewayUnresolved`,
 * `gatewayUntrusted`, `gatewayRefused`, `proxyRefused`, `versionUnsupported`,
 * or what the gateway said in its HTTP answer.
 * @throws `signal.reason` once aborted.
 */
export async function dialWebSocket(
  request: DialRequest,
  signal: AbortSignal,
): Promise<Link> {
  try {
    return await dial(request, false, signal);
  } catch (error) {
    if (!(error instanceof Unexplained)) throw error;
    return await dial(request, true, signal);
  }
}

/**
 * A handshake that ended without a word why: an answer that accepts without
 * our subprotocol, or a connection that broke off under it.
 */
class Unexplained extends Error {}

/**
 * @param isListening Hears what is answered, and so knows more of what fails.
 * Not the first time: it is handed a response, which brings `node:http` along,
 * 1.2 MB of memory for as long as an agent runs.
 */
async function dial(
  request: DialRequest,
  isListening: boolean,
  signal: AbortSignal,
): Promise<Link> {
  const { promise, resolve, reject } = Promise.withResolvers<Link>();
  signal.throwIfAborted();
  const target = { url: request.url, viaProxy: request.proxy !== undefined };
  const socket = newSocket(request);
  const timer = setTimeout(
    () =>
      fail(
        new Fault(
          "gatewayUnreachable",
          `Cannot reach ${new URL(request.url).host}: no answer in ${
            request.timeoutMs / 1000
          } s`,
          { hint: "Check the network, the firewall and the proxy settings" },
        ),
      ),
    request.timeoutMs,
  );
  const stop = () => fail(signal.reason);
  signal.addEventListener("abort", stop, { once: true });

  function settle(): void {
    clearTimeout(timer);
    signal.removeEventListener("abort", stop);
  }
  function fail(error: unknown): void {
    settle();
    reject(error);
    socket.terminate();
  }

  socket.on("error", (error) => {
    const fault = dialFault(error, target);
    const isExplained = "code" in error || fault.code === "proxyRefused";
    fail(isListening || isExplained ? fault : new Unexplained());
  });
  // Here, because `ws` too refuses another one, but by an error without a code.
  if (isListening) {
    socket.on("upgrade", (response) => {
      const selected = response.headers["sec-websocket-protocol"];
      if (selected !== request.subprotocol) fail(subprotocolRefused());
    });
  }
  socket.on("unexpected-response", (_request, response) => {
    void readJsonAnswer(response).then((answer) =>
      fail(answerFault(answer, request.url))
    );
  });
  socket.on("open", () => {
    settle();
    resolve(new WsLink(socket, new URL(request.url).host));
  });
  return await promise;
}

function subprotocolRefused(): Fault {
  return new Fault(
    "versionUnsupported",
    "Cannot use the gateway: it does not speak protocol 2",
    { hint: "Check that the address is a migasfree-agent 2 gateway" },
  );
}

function newSocket(request: DialRequest): WebSocket {
  const { tls } = request;
  const { subprotocol } = request;
  return new WebSocket(request.url, subprotocol ? [subprotocol] : [], {
    headers: { ...request.headers },
    perMessageDeflate: false,
    maxPayload: subprotocol ? STREAM_MESSAGE_MAX_BYTES : V1_MESSAGE_MAX_BYTES,
    ...(tls.ca === undefined ? {} : { ca: tls.ca }),
    ...(tls.cert === undefined ? {} : { cert: tls.cert }),
    ...(tls.key === undefined ? {} : { key: tls.key }),
    ...(request.proxy === undefined ? {} : { proxy: request.proxy }),
    rejectUnauthorized: !tls.insecure,
  } as WebSocket.ClientOptions);
}
