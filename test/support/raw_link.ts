import { readFile } from "node:fs/promises";
import WebSocket from "ws";
import { CONTROL_SUBPROTOCOL } from "../../src/protocol/version.ts";
import type { Identity } from "./site.ts";

/** A message as it came: text, or bytes. */
export type RawMessage = string | Uint8Array;

/** How a link ended, as its other side said. */
export interface RawEnd {
  readonly code: number;
  readonly reason: string;
}

export interface RawDial {
  readonly url: string;
  /** Undefined: no certificate is shown. */
  readonly identity?: Identity;
  readonly subprotocol?: string;
  readonly headers?: Readonly<Record<string, string>>;
}

const WAIT_MS = 15_000;

interface Waiter {
  readonly matches: (message: RawMessage) => boolean;
  readonly heard: (message: RawMessage) => void;
  readonly over: (error: Error) => void;
}

/** One WebSocket of a test's own, that says whatever the test likes. */
export class RawLink implements AsyncDisposable {
  readonly #socket: WebSocket;
  readonly #closed = Promise.withResolvers<RawEnd>();
  readonly #unread: RawMessage[] = [];
  #waiter: Waiter | undefined;
  #end: RawEnd | undefined;

  /** Takes over an open socket, whoever dialed it. */
  constructor(socket: WebSocket) {
    this.#socket = socket;
    socket.on("message", (data, isBinary) => {
      const bytes = data as Buffer;
      this.#hear(isBinary ? bytes : bytes.toString("utf8"));
    });
    socket.on("close", (code, reason) => {
      this.#end = { code, reason: reason.toString() };
      this.#closed.resolve(this.#end);
      this.#waiter?.over(new Error(`The link ended: ${code} ${reason}`));
    });
    // How a link ends is what the tests look at.
    socket.on("error", () => socket.terminate());
  }

  /** Dials a gateway, and resolves when it has accepted the WebSocket. */
  static async dial(dial: RawDial): Promise<RawLink> {
    const { headers = {}, identity, url } = dial;
    const socket = new WebSocket(url, [
      dial.subprotocol ?? CONTROL_SUBPROTOCOL,
    ], { headers: { ...headers }, ...await tlsOf(identity) });
    const link = new RawLink(socket);
    await new Promise<void>((resolve, reject) => {
      socket.once("open", resolve);
      socket.once("error", reject);
    });
    return link;
  }

  /** Resolves when the other side, or the network, has ended the link. */
  get ended(): Promise<RawEnd> {
    return this.#closed.promise;
  }

  /** As `ended`, for whoever waits for it now: rejects if it takes long. */
  get closed(): Promise<RawEnd> {
    return within(this.#closed.promise, "the link did not end");
  }

  send(message: RawMessage | object): void {
    const isRaw = typeof message === "string" || message instanceof Uint8Array;
    this.#socket.send(isRaw ? message : JSON.stringify(message));
  }

  /** The next message that fits; what comes before it is dropped. */
  async next(matches: (message: RawMessage) => boolean): Promise<RawMessage> {
    for (;;) {
      const message = this.#unread.shift();
      if (message === undefined) break;
      if (matches(message)) return message;
    }
    if (this.#end) throw new Error(`The link ended: ${this.#end.code}`);
    const { promise, resolve, reject } = Promise.withResolvers<RawMessage>();
    this.#waiter = { matches, heard: resolve, over: reject };
    try {
      return await within(promise, "no such message came");
    } finally {
      this.#waiter = undefined;
    }
  }

  /** The next message of `type`, parsed. */
  async nextOf(type: string): Promise<Record<string, unknown>> {
    const text = await this.next((message) =>
      typeof message === "string" && JSON.parse(message).type === type
    );
    return JSON.parse(String(text));
  }

  close(code: number, reason = ""): void {
    this.#socket.close(code, reason);
  }

  /** Cuts without a word. */
  terminate(): void {
    this.#socket.terminate();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#socket.terminate();
    await this.closed;
  }

  #hear(message: RawMessage): void {
    const waiter = this.#waiter;
    if (!waiter) return void this.#unread.push(message);
    if (!waiter.matches(message)) return;
    this.#waiter = undefined;
    waiter.heard(message);
  }
}

/** What a handshake shows, and whom it believes. */
async function tlsOf(
  identity: Identity | undefined,
): Promise<WebSocket.ClientOptions> {
  if (!identity) return { rejectUnauthorized: false };
  const [ca, cert, key] = await Promise.all(
    [identity.ca_file, identity.cert_file, identity.key_file]
      .map((path) => readFile(path, "utf8")),
  );
  return { ca, cert, key } as WebSocket.ClientOptions;
}

async function within<T>(promise: Promise<T>, what: string): Promise<T> {
  const { promise: late, reject } = Promise.withResolvers<never>();
  const timer = setTimeout(
    () => reject(new Error(`In ${WAIT_MS / 1000} s, ${what}`)),
    WAIT_MS,
  );
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}
