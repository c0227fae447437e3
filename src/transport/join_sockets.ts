import type { Clock } from "../base/clock.ts";
import { Fault } from "../protocol/fault.ts";
import type { ByteSocket, ByteSocketHandlers } from "./byte_socket.ts";

/** How long a program may keep its side open when the other one is gone. */
const FAREWELL_MS = 60_000;

/** What went through, in bytes, and how it ended. */
export interface JoinResult {
  /** From the local program to the tunnel. */
  readonly sentBytes: number;
  /** From the tunnel to the local program. */
  readonly receivedBytes: number;
  /** Undefined: cleanly. */
  readonly fault: Fault | undefined;
}

/**
 * Joins a local program to a tunnel of protocol 1 until both have ended: each
 * waits while the other takes no more, and learns of the other's end. Owns
 * both. Never rejects; once `signal` aborts, both are reset.
 *
 * The tunnel's end is all of it: protocol 1 knows no end of one direction.
 */
export function joinSockets(
  local: ByteSocket,
  tunnel: ByteSocket,
  clock: Clock,
  signal: AbortSignal,
): Promise<JoinResult> {
  return new Promise((resolve) => {
    const joint = new Joint(local, tunnel, clock, (result) => {
      signal.removeEventListener("abort", stop);
      resolve(result);
    });
    const stop = () => joint.stop(Fault.from(signal.reason));
    signal.addEventListener("abort", stop, { once: true });
    if (signal.aborted) return stop();
    joint.begin();
  });
}

class Joint {
  readonly #local: ByteSocket;
  readonly #tunnel: ByteSocket;
  readonly #clock: Clock;
  readonly #resolve: (result: JoinResult) => void;
  readonly #over = new AbortController();
  #sentBytes = 0;
  #receivedBytes = 0;
  #isTunnelGone = false;
  /** Whether the local program has taken all that was written. */
  #isLocalEmpty = true;

  constructor(
    local: ByteSocket,
    tunnel: ByteSocket,
    clock: Clock,
    resolve: (result: JoinResult) => void,
  ) {
    this.#local = local;
    this.#tunnel = tunnel;
    this.#clock = clock;
    this.#resolve = resolve;
  }

  begin(): void {
    this.#tunnel.handle(this.#tunnelHandlers());
    this.#local.handle(this.#localHandlers());
  }

  stop(fault: Fault): void {
    this.#settle(fault);
  }

  #localHandlers(): ByteSocketHandlers {
    return {
      data: (chunk) => this.#fromLocal(chunk),
      end: () => this.#tunnel.end(),
      drain: () => {
        this.#isLocalEmpty = true;
        this.#tunnel.resume();
      },
      closed: (fault) => {
        // Without a fault both its directions have ended: the tunnel knows.
        if (fault) this.#settle(fault);
        else if (this.#isTunnelGone) this.#settle(undefined);
      },
    };
  }

  #tunnelHandlers(): ByteSocketHandlers {
    return {
      data: (chunk) => {
        this.#receivedBytes += chunk.byteLength;
        this.#isLocalEmpty = this.#local.write(chunk);
        if (!this.#isLocalEmpty) this.#tunnel.pause();
      },
      end: () => this.#local.end(),
      drain: () => this.#local.resume(),
      closed: (fault) => {
        if (fault) return this.#settle(fault);
        this.#isTunnelGone = true;
        // It may have stopped for a tunnel that takes no more.
        this.#local.resume();
        void this.#farewell();
      },
    };
  }

  #fromLocal(chunk: Uint8Array): void {
    if (this.#isTunnelGone) {
      // It speaks to nobody; but what it has not read yet is still its own.
      if (this.#isLocalEmpty) this.#settle(undefined);
      return;
    }
    this.#sentBytes += chunk.byteLength;
    if (!this.#tunnel.write(chunk)) this.#local.pause();
  }

  async #farewell(): Promise<void> {
    await this.#clock.sleep(FAREWELL_MS, this.#over.signal)
      .catch(() => undefined); // It has ended in time.
    this.#settle(undefined);
  }

  #settle(fault: Fault | undefined): void {
    if (this.#over.signal.aborted) return;
    this.#over.abort();
    // Whatever has ended already is not disturbed by it.
    this.#local.reset();
    this.#tunnel.reset();
    this.#resolve({
      sentBytes: this.#sentBytes,
      receivedBytes: this.#receivedBytes,
      fault,
    });
  }
}
