import { closeSync, openSync } from "node:fs";
import { devNull } from "node:os";
import { Fault } from "../protocol/fault.ts";
import type {
  ByteSocket,
  ByteSocketHandlers,
} from "../transport/byte_socket.ts";

const STDOUT_FD = 1;

/** How far reading has come. */
type Input =
  | { readonly tag: "flowing" }
  | { readonly tag: "paused"; readonly resumed: PromiseWithResolvers<void> }
  | { readonly tag: "ended" };

/** How far writing has come: `ending` while the queue still has to go. */
type Output = "open" | "ending" | "ended";

/** How both came to their end, as far as they have. */
type Ending =
  | { readonly tag: "none" }
  | { readonly tag: "closed"; readonly fault: Fault | undefined };

/**
 * Returns standard input and output as a byte socket, for a program such as
 * ssh that starts us as its ProxyCommand. To be called once in a process.
 *
 * A pipe knows no reset: after {@linkcode ByteSocket.reset} the other program
 * sees an end, and only our exit status tells it that it was no clean one.
 */
export function stdioSocket(): ByteSocket {
  return new StdioSocket();
}

class StdioSocket implements ByteSocket {
  readonly #reader = Bun.stdin.stream().getReader();
  /** Has a descriptor of its own, besides STDOUT_FD. */
  readonly #sink = Bun.stdout.writer();
  #handlers: ByteSocketHandlers | undefined;
  #input: Input = { tag: "flowing" };
  #output: Output = "open";
  #ending: Ending = { tag: "none" };
  /** Writes that the other program has not taken yet. */
  #pendingCount = 0;
  /** A write has said false, and nobody has been told to go on yet. */
  #drainDue = false;

  handle(handlers: ByteSocketHandlers): void {
    if (this.#handlers) throw new Error("Cannot handle a byte socket twice");
    this.#handlers = handlers;
    if (this.#ending.tag === "closed") return queueMicrotask(this.#tellClosed);
    this.resume();
    void this.#read();
  }

  write(chunk: Uint8Array): boolean {
    if (this.#ending.tag === "closed") return false; // `closed` says why.
    if (this.#output !== "open") throw new Error("Cannot write after end()");
    try {
      const written = this.#sink.write(chunk);
      // Without it, a small chunk would wait for the end of this turn.
      const flushed = this.#sink.flush();
      if (typeof written !== "number") void this.#settle(written);
      // While the pipe is full, both are one and the same promise.
      if (typeof flushed !== "number" && flushed !== written) {
        void this.#settle(flushed);
      }
    } catch (error) {
      this.#fail("Cannot write to standard output", error);
    }
    const taken = this.#pendingCount === 0;
    if (!taken) this.#drainDue = true;
    return taken;
  }

  end(): void {
    if (this.#output !== "open" || this.#ending.tag === "closed") return;
    this.#output = "ending";
    void this.#endOutput();
  }

  reset(): void {
    if (this.#ending.tag === "closed") return;
    this.#close(
      new Fault("streamReset", "Broke off standard input and output"),
    );
  }

  pause(): void {
    if (this.#input.tag !== "flowing") return;
    this.#input = { tag: "paused", resumed: Promise.withResolvers<void>() };
  }

  resume(): void {
    if (this.#input.tag !== "paused") return;
    const { resumed } = this.#input;
    this.#input = { tag: "flowing" };
    resumed.resolve();
  }

  /** Reads one chunk at a time: what is not asked for stays in the pipe. */
  async #read(): Promise<void> {
    for (;;) {
      await this.#resumed();
      const chunk = await this.#nextChunk();
      await this.#resumed();
      if (this.#ending.tag === "closed") return;
      if (!chunk) return this.#endInput();
      this.#handlers?.data(chunk);
    }
  }

  /** Returns undefined at the end, and after a failure that has been told. */
  async #nextChunk(): Promise<Uint8Array | undefined> {
    try {
      return (await this.#reader.read()).value;
    } catch (error) {
      this.#fail("Cannot read standard input", error);
      return undefined;
    }
  }

  /** Resolves when reading may go on, or is over. */
  async #resumed(): Promise<void> {
    // Loops: the owner may have resumed and paused again meanwhile.
    while (this.#input.tag === "paused") await this.#input.resumed.promise;
  }

  #endInput(): void {
    this.#input = { tag: "ended" };
    this.#handlers?.end();
    this.#closeIfDone();
  }

  async #endOutput(): Promise<void> {
    try {
      await this.#sink.end();
    } catch (error) {
      return this.#fail("Cannot write to standard output", error);
    }
    if (this.#ending.tag === "closed") return;
    releaseStdout();
    this.#output = "ended";
    this.#tellDrained();
    this.#closeIfDone();
  }

  async #settle(written: PromiseLike<number>): Promise<void> {
    this.#pendingCount++;
    try {
      await written;
    } catch (error) {
      return this.#fail("Cannot write to standard output", error);
    }
    this.#pendingCount--;
    if (this.#pendingCount === 0) this.#tellDrained();
  }

  #tellDrained(): void {
    if (!this.#drainDue || this.#ending.tag === "closed") return;
    this.#drainDue = false;
    this.#handlers?.drain();
  }

  #closeIfDone(): void {
    if (this.#input.tag !== "ended" || this.#output !== "ended") return;
    this.#close(undefined);
  }

  #fail(action: string, error: unknown): void {
    if (this.#ending.tag === "closed") return;
    const { code } = Object(error) as { code?: unknown };
    const why = code === "EPIPE" || code === "ECONNRESET"
      ? "the other program has gone"
      : String(code ?? error);
    this.#close(
      new Fault("streamReset", `${action}: ${why}`, { cause: error }),
    );
  }

  #close(fault: Fault | undefined): void {
    this.#ending = { tag: "closed", fault };
    if (fault) void this.#abandon();
    queueMicrotask(this.#tellClosed);
  }

  /** Lets go of both descriptors, whatever is still under way. */
  async #abandon(): Promise<void> {
    this.resume();
    try {
      const ended = this.#sink.end();
      if (this.#output !== "ended") releaseStdout();
      await Promise.all([ended, this.#reader.cancel()]);
    } catch {
      // The fault has been told; this is what comes after it.
    }
  }

  readonly #tellClosed = (): void => {
    if (this.#ending.tag === "closed") {
      this.#handlers?.closed(this.#ending.fault);
    }
  };
}

/**
 * Closes standard output, so that its reader sees the end, and puts the null
 * device in its place: the next file opened must not become standard output.
 */
function releaseStdout(): void {
  closeSync(STDOUT_FD);
  openSync(devNull, "w");
}
