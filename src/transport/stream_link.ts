import type { Clock } from "../base/clock.ts";
import { Fault } from "../protocol/fault.ts";
import { OPEN_TIMEOUT_MS } from "../protocol/limits.ts";
import {
  type EndMessage,
  HEARTBEAT_ECHO_TEXT,
  HEARTBEAT_TEXT,
  type Joined,
  parseStreamMessage,
} from "../protocol/stream_message.ts";
import { StreamEnd, type StreamSink } from "../stream/stream_end.ts";
import type { WindowBudget } from "../stream/window_budget.ts";
import type { ByteSocket } from "./byte_socket.ts";
import type { Heartbeats, Watch } from "./heartbeats.ts";
import type { Link, LinkEnd, LinkHandlers } from "./link.ts";
import { closeNormally, closeWithFault, faultOfEnd } from "./link_end.ts";

/** Above this, the local program waits: acknowledgements must get through. */
const LINK_BUFFERED_MAX_BYTES = 1024 * 1024;

/** How long `joined` may take: what the gateway allows itself, and a little. */
const JOIN_TIMEOUT_MS = OPEN_TIMEOUT_MS + 5_000;

export interface StreamPorts {
  readonly clock: Clock;
  readonly heartbeats: Heartbeats;
  readonly budget: WindowBudget;
  /** Called once, when the gateway has joined the two ends. */
  readonly joined: (joined: Joined) => void;
}

/** What went through a stream, in bytes. */
export interface StreamCounts {
  readonly sentBytes: number;
  readonly receivedBytes: number;
}

/** What a stream came to: with a fault if it was no clean end. */
export interface StreamResult extends StreamCounts {
  readonly fault: Fault | undefined;
}

/**
 * Joins a local program to the far end of a tunnel over `link`, from the
 * gateway's `joined` until both directions have ended. Owns both from now on:
 * they are closed when it returns.
 *
 * Never rejects: how it ended is in the result.
 */
export function runStream(
  socket: ByteSocket,
  link: Link,
  ports: StreamPorts,
  signal: AbortSignal,
): Promise<StreamResult> {
  return new Promise((resolve) => {
    const stream = new LinkedStream(socket, link, ports, (result) => {
      signal.removeEventListener("abort", stop);
      resolve(result);
    });
    const stop = () => stream.stop(Fault.from(signal.reason));
    signal.addEventListener("abort", stop, { once: true });
    if (signal.aborted) stop();
    stream.begin();
  });
}

class LinkedStream implements StreamSink, LinkHandlers {
  readonly #socket: ByteSocket;
  readonly #link: Link;
  readonly #ports: StreamPorts;
  readonly #resolve: (result: StreamResult) => void;
  readonly #end: StreamEnd;
  readonly #joinDeadline = new AbortController();
  #watch: Watch | undefined;
  #fault: Fault | undefined;
  #isOver = false;

  constructor(
    socket: ByteSocket,
    link: Link,
    ports: StreamPorts,
    resolve: (result: StreamResult) => void,
  ) {
    this.#socket = socket;
    this.#link = link;
    this.#ports = ports;
    this.#resolve = resolve;
    this.#end = new StreamEnd(this, ports.budget);
  }

  begin(): void {
    this.#link.handle(this);
    const { signal } = this.#joinDeadline;
    this.#ports.clock.sleep(JOIN_TIMEOUT_MS, signal).then(
      () => this.stop(notJoined()),
      () => undefined, // It was joined in time, or has ended.
    );
  }

  stop(fault: Fault): void {
    this.#end.localFailed(fault);
  }

  // From the link.

  message(message: string | Uint8Array): void {
    this.#watch?.heard();
    // On its way while we said goodbye: nobody is to be joined any more.
    if (this.#isOver) return;
    try {
      if (typeof message === "string") this.#text(message);
      else this.#bytes(message);
    } catch (error) {
      this.stop(Fault.from(error));
    }
  }

  drain(): void {
    this.#end.linkReady(true);
  }

  closed(end: LinkEnd): void {
    this.#watch?.stop();
    this.#joinDeadline.abort();
    this.#end.abandon(faultOfEnd(end));
    const { sentBytes, receivedBytes } = this.#end.counts;
    this.#resolve({ sentBytes, receivedBytes, fault: this.#fault });
  }

  // From the stream's machine.

  sendBytes(chunk: Uint8Array): void {
    this.#link.send(chunk);
    if (this.#link.bufferedBytes > LINK_BUFFERED_MAX_BYTES) {
      this.#end.linkReady(false);
    }
  }

  sendMessage(message: EndMessage): void {
    this.#link.send(JSON.stringify(message));
  }

  deliver(chunk: Uint8Array): boolean {
    return this.#socket.write(chunk);
  }

  endLocal(): void {
    this.#socket.end();
  }

  pauseLocal(): void {
    this.#socket.pause();
  }

  resumeLocal(): void {
    this.#socket.resume();
  }

  finished(fault: Fault | undefined): void {
    this.#isOver = true;
    this.#fault = fault;
    if (!fault) return closeNormally(this.#link);
    this.#socket.reset();
    closeWithFault(this.#link, fault);
  }

  #text(text: string): void {
    if (text === HEARTBEAT_TEXT) return;
    if (text === HEARTBEAT_ECHO_TEXT) return this.#answer();
    const message = parseStreamMessage(text);
    if (message.type === "heartbeat") return;
    if (message.type === "joined") return this.#join(message);
    this.#needJoined();
    this.#end.peerMessage(message, this.#ports.clock.now());
  }

  #bytes(chunk: Uint8Array): void {
    this.#needJoined();
    this.#end.peerBytes(chunk, this.#ports.clock.now());
  }

  #answer(): void {
    // Who asks and does not read is told by what is queued already.
    if (this.#link.bufferedBytes > LINK_BUFFERED_MAX_BYTES) return;
    this.#link.send(HEARTBEAT_TEXT);
  }

  #needJoined(): void {
    if (this.#watch) return;
    throw new Fault("messageUnexpected", "Cannot begin without being joined");
  }

  #join(joined: Joined): void {
    if (this.#watch) {
      throw new Fault("messageUnexpected", "Cannot be joined twice");
    }
    this.#watch = this.#ports.heartbeats.watch({
      beat: (echo) =>
        this.#link.send(echo ? HEARTBEAT_ECHO_TEXT : HEARTBEAT_TEXT),
      paused: () => false,
      silent: (silentMs) => this.#silent(silentMs),
    }, joined.heartbeat);
    this.#joinDeadline.abort();
    this.#ports.joined(joined);
    this.#socket.handle({
      data: (chunk) => this.#end.localBytes(chunk),
      end: () => this.#end.localEnd(),
      drain: () => this.#end.delivered(this.#ports.clock.now()),
      closed: (fault) => {
        if (fault) this.#end.localFailed(fault);
      },
    });
  }

  #silent(silentMs: number): void {
    this.#end.abandon(
      new Fault(
        "linkSilent",
        `The link was silent for ${Math.round(silentMs / 1000)} s`,
      ),
    );
    this.#link.terminate();
  }
}

function notJoined(): Fault {
  return new Fault("openTimedOut", "The gateway did not join the tunnel", {
    hint: "Try again; if it stays so, look at the gateway's log",
  });
}
