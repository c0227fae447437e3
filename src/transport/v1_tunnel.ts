import type { Clock } from "../base/clock.ts";
import { Fault } from "../protocol/fault.ts";
import type { ByteSocket, ByteSocketHandlers } from "./byte_socket.ts";

/** Silence after the end of our direction that means: no answer will come. */
const LINGER_MS = 2_000;

/** What a tunnel needs of the link that it goes over. */
export interface V1Carrier {
  readonly clock: Clock;
  readonly lingers: boolean;
  /** False: wait for `drained`. */
  sendData(tunnelId: string, chunk: Uint8Array): boolean;
  sendClose(tunnelId: string): void;
  /** The reader has taken some. */
  taken(tunnel: V1Tunnel, bytes: number): void;
  /** Nothing comes or goes any more; what came may still be read. */
  forget(tunnel: V1Tunnel): void;
}

/** How far a tunnel has come to its end. */
type TunnelState =
  | "open"
  /** We have ended our direction, and wait for what is on its way. */
  | "lingering"
  /** Both sides know that it is over; what came may still be read. */
  | "ended"
  /** The reader was told. */
  | "closed";

/** One tunnel of protocol 1, as a byte socket. */
export class V1Tunnel implements ByteSocket {
  readonly id: string;
  readonly #carrier: V1Carrier;
  readonly #over = new AbortController();
  #handlers: ByteSocketHandlers | undefined;
  readonly #unread: Uint8Array[] = [];
  #unreadBytes = 0;
  #isPaused = false;
  #isFull = false;
  #isClosedByPeer = false;
  #isConcealed = false;
  readonly #answered = Promise.withResolvers<void>();
  #state: TunnelState = "open";
  #fault: Fault | undefined;
  #heardAtMs = 0;

  constructor(id: string, carrier: V1Carrier) {
    this.id = id;
    this.#carrier = carrier;
  }

  /** Bytes that have come and were not read. */
  get unreadBytes(): number {
    return this.#unreadBytes;
  }

  /** Aborts, with a fault, once nothing can come or go any more. */
  get over(): AbortSignal {
    return this.#over.signal;
  }

  /** Whether the other side has ended it. */
  get isClosedByPeer(): boolean {
    return this.#isClosedByPeer;
  }

  /** Resolves when the first bytes have come. */
  get answered(): Promise<void> {
    return this.#answered.promise;
  }

  /** The other side is not to hear of it, nor of its end, until announced. */
  conceal(): void {
    this.#isConcealed = true;
  }

  announce(): void {
    this.#isConcealed = false;
  }

  handle(handlers: ByteSocketHandlers): void {
    this.#handlers = handlers;
    this.#deliver();
  }

  write(chunk: Uint8Array): boolean {
    // As with a TCP peer that has closed: it is lost, and nobody waits for it.
    if (this.#state !== "open") return this.#isClosedByPeer;
    // Whoever was told to wait does so until it is told to go on.
    if (!this.#carrier.sendData(this.id, chunk)) this.#isFull = true;
    return !this.#isFull;
  }

  end(): void {
    if (this.#state !== "open") return;
    if (!this.#carrier.lingers) return this.#close(undefined);
    this.#state = "lingering";
    this.#heardAtMs = this.#carrier.clock.now();
    void this.#linger();
  }

  reset(): void {
    this.#drop();
    this.#close(new Fault("streamReset", "Broke off the tunnel"));
  }

  pause(): void {
    this.#isPaused = true;
  }

  resume(): void {
    this.#isPaused = false;
    this.#deliver();
  }

  // From the link.

  /** Bytes have come. Returns how many wait now. */
  arrived(chunk: Uint8Array): number {
    this.#heardAtMs = this.#carrier.clock.now();
    if (chunk.byteLength > 0) {
      this.#answered.resolve();
      this.#unread.push(chunk);
      this.#unreadBytes += chunk.byteLength;
      this.#deliver();
    }
    return this.#unreadBytes;
  }

  /** The other side has closed it: what came before is still to be read. */
  closedByPeer(): void {
    this.#isClosedByPeer ||= this.#state === "open";
    this.#finish(undefined);
  }

  /** It cannot go on; the other side is told if it can be. */
  broken(fault: Fault, isLinkUp: boolean): void {
    this.#drop();
    if (isLinkUp) this.#close(fault);
    else this.#finish(fault);
  }

  drained(): void {
    if (!this.#isFull || this.#state !== "open") return;
    this.#isFull = false;
    this.#handlers?.drain();
  }

  #close(fault: Fault | undefined): void {
    if (this.#state === "ended" || this.#state === "closed") return;
    if (!this.#isConcealed) this.#carrier.sendClose(this.id);
    this.#finish(fault);
  }

  #finish(fault: Fault | undefined): void {
    if (this.#state === "ended" || this.#state === "closed") return;
    this.#state = "ended";
    this.#fault = fault;
    this.#carrier.forget(this);
    this.#over.abort(fault ?? new Fault("peerGone", "The tunnel was closed"));
    // Not within a call of the one who is to be told.
    queueMicrotask(() => this.#deliver());
  }

  #drop(): void {
    const bytes = this.#unreadBytes;
    this.#unread.length = 0;
    this.#unreadBytes = 0;
    if (bytes > 0) this.#carrier.taken(this, bytes);
  }

  #deliver(): void {
    const handlers = this.#handlers;
    while (handlers && !this.#isPaused) {
      const chunk = this.#unread.shift();
      if (!chunk) break;
      this.#unreadBytes -= chunk.byteLength;
      this.#carrier.taken(this, chunk.byteLength);
      handlers.data(chunk);
    }
    if (!handlers || this.#state !== "ended" || this.#unreadBytes > 0) return;
    this.#state = "closed";
    if (!this.#fault) handlers.end();
    handlers.closed(this.#fault);
  }

  /** A peer of protocol 1 never learns that we have ended: only silence tells. */
  async #linger(): Promise<void> {
    const { clock } = this.#carrier;
    try {
      for (;;) {
        const silentMs = clock.now() - this.#heardAtMs;
        const isOver = silentMs >= LINGER_MS && this.#unreadBytes === 0;
        if (isOver) return this.#close(undefined);
        // What waits for its reader is no silence.
        const waitMs = silentMs < LINGER_MS ? LINGER_MS - silentMs : LINGER_MS;
        await clock.sleep(waitMs, this.#over.signal);
      }
    } catch {
      return; // It was closed meanwhile.
    }
  }
}
