import { createHash } from "node:crypto";
import type { ByteSocket } from "../../src/transport/byte_socket.ts";

/** What a program saw of its socket, from the first call to the last. */
export interface Report {
  /** Calls of `end`, `drain` (the first) and `closed`, in order. */
  readonly events: readonly string[];
  readonly receivedBytes: number;
  /** SHA-256 of everything received, as hex. */
  readonly receivedSha: string;
  /** Bytes that came between a pause and the cue to go on. */
  readonly pausedBytes: number;
  /** Bytes that were written before the cue. */
  readonly earlyBytes: number;
}

/** Uses a socket in one way until it closes; `cue` says when to go on. */
export type Program = (
  socket: ByteSocket,
  cue: Promise<void>,
) => Promise<Report>;

export const ANSWER_BYTES = 10 * 1024 * 1024;
export const FLOOD_BYTES = 64 * 1024 * 1024;
export const LETTERS_COUNT = 2_000;

/** A write is this long; the last of an answer may be shorter. */
const CHUNK_BYTES = 48 * 1024;

/** Returns `size` bytes that differ from each other, the same every time. */
export function pattern(size: number): Uint8Array {
  const words = new Uint32Array(Math.ceil(size / 4));
  let word = 0x9e3779b9;
  for (let i = 0; i < words.length; i++) {
    word = Math.imul(word ^ (word >>> 15), 0x2c1b3c6d) + i;
    words[i] = word;
  }
  return new Uint8Array(words.buffer, 0, size);
}

export function sha256(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}

/**
 * Takes down what a socket says. Chunks are kept, as a hearer may do; one that
 * is handed on is given away, and a copy of it is kept.
 */
class Recorder {
  readonly events: string[] = [];
  readonly #chunks: Uint8Array[] = [];
  readonly #closed = Promise.withResolvers<void>();
  #receivedBytes = 0;
  pausedBytes = 0;
  earlyBytes = 0;

  get receivedBytes(): number {
    return this.#receivedBytes;
  }

  listen(socket: ByteSocket, on: {
    readonly data?: (chunk: Uint8Array) => void;
    readonly end?: () => void;
    readonly drain?: () => void;
  }): void {
    let returned = false;
    const say = (event: string) =>
      this.events.push(returned ? event : `${event} before handle() returned`);
    socket.handle({
      data: (chunk) => {
        this.#chunks.push(on.data ? new Uint8Array(chunk) : chunk);
        this.#receivedBytes += chunk.byteLength;
        on.data?.(chunk);
      },
      end: () => {
        say("end");
        on.end?.();
      },
      drain: () => {
        if (!this.events.includes("drain")) say("drain");
        on.drain?.();
      },
      closed: (fault) => {
        say(`closed ${fault?.code ?? "cleanly"}`);
        this.#closed.resolve();
      },
    });
    returned = true;
  }

  async report(): Promise<Report> {
    await this.#closed.promise;
    // Room for a second `closed`, which would be one too many.
    for (let turn = 0; turn < 20; turn++) {
      await new Promise((resolve) => setImmediate(resolve));
    }
    const hash = createHash("sha256");
    for (const chunk of this.#chunks) hash.update(chunk);
    return {
      events: this.events,
      receivedBytes: this.#receivedBytes,
      receivedSha: hash.digest("hex"),
      pausedBytes: this.pausedBytes,
      earlyBytes: this.earlyBytes,
    };
  }
}

/** Writes `bytes`, waiting for `drain` whenever it must, then ends. */
class Answer {
  readonly #socket: ByteSocket;
  readonly #bytes: Uint8Array;
  #offset = 0;

  constructor(socket: ByteSocket, bytes: Uint8Array) {
    this.#socket = socket;
    this.#bytes = bytes;
  }

  get writtenBytes(): number {
    return this.#offset;
  }

  go(): void {
    while (this.#offset < this.#bytes.byteLength) {
      const end = this.#offset + CHUNK_BYTES;
      const chunk = this.#bytes.subarray(this.#offset, end);
      this.#offset += chunk.byteLength;
      if (!this.#socket.write(chunk)) return;
    }
    this.#socket.end();
  }
}

/** Says with one byte that it has paused; goes on at the cue. */
function pauseAtFirst(
  socket: ByteSocket,
  cue: Promise<void>,
  when: (pause: () => void) => void,
): Promise<Report> {
  const recorder = new Recorder();
  let firstBytes: number | undefined;
  recorder.listen(socket, {
    data: (chunk) => {
      if (firstBytes !== undefined) return;
      firstBytes = chunk.byteLength;
      when(() => {
        socket.pause();
        socket.write(Uint8Array.of(0));
      });
    },
    end: () => socket.end(),
  });
  void cue.then(() => {
    recorder.pausedBytes = recorder.receivedBytes - (firstBytes ?? 0);
    socket.resume();
  });
  return recorder.report();
}

export const PROGRAMS = {
  /** Sends back what it gets, and ends when the far end has. */
  echo: (socket) => {
    const recorder = new Recorder();
    recorder.listen(socket, {
      data: (chunk) => {
        if (!socket.write(chunk)) socket.pause();
      },
      end: () => socket.end(),
      drain: () => socket.resume(),
    });
    return recorder.report();
  },

  /** Sends back each chunk twice, in two writes. */
  echoTwice: (socket) => {
    const recorder = new Recorder();
    recorder.listen(socket, {
      data: (chunk) => {
        socket.write(new Uint8Array(chunk));
        socket.write(chunk);
      },
    });
    return recorder.report();
  },

  /** Reads until the far end has ended; answers with 10 MiB then. */
  answerAfterEnd: (socket) => {
    const recorder = new Recorder();
    const answer = new Answer(socket, pattern(ANSWER_BYTES));
    recorder.listen(socket, {
      end: () => answer.go(),
      drain: () => answer.go(),
    });
    return recorder.report();
  },

  /** Writes 64 MiB, unasked. */
  flood: (socket, cue) => {
    const recorder = new Recorder();
    const answer = new Answer(socket, pattern(FLOOD_BYTES));
    recorder.listen(socket, { drain: () => answer.go() });
    answer.go();
    void cue.then(() => {
      recorder.earlyBytes = answer.writtenBytes;
    });
    return recorder.report();
  },

  /** Writes more than is taken at once, and ends without waiting for that. */
  endUndrained: (socket) => {
    const recorder = new Recorder();
    recorder.listen(socket, {});
    if (socket.write(pattern(ANSWER_BYTES))) recorder.events.push("taken");
    socket.end();
    return recorder.report();
  },

  /** Says goodbye before it listens; reads what comes all the same. */
  endBeforeHandle: async (socket, cue) => {
    const recorder = new Recorder();
    socket.write(new TextEncoder().encode("bye"));
    socket.end();
    socket.pause(); // Must not stop what comes after handle().
    await cue;
    recorder.listen(socket, {});
    return recorder.report();
  },

  /** Listens only when told to, and ends after the far end has. */
  handleLate: async (socket, cue) => {
    const recorder = new Recorder();
    socket.pause();
    socket.resume(); // Must not lose what comes now.
    await cue;
    recorder.listen(socket, { end: () => socket.end() });
    return recorder.report();
  },

  /** Pauses in the call that brings the first byte, until told to go on. */
  pauseAtOnce: (socket, cue) => pauseAtFirst(socket, cue, (pause) => pause()),

  /** Pauses when the first byte has come and nothing else is under way. */
  pauseWhileIdle: (socket, cue) =>
    pauseAtFirst(socket, cue, (pause) => void setImmediate(pause)),

  /** Writes byte by byte, all in one turn, then waits for the far end. */
  letters: (socket) => {
    const recorder = new Recorder();
    recorder.listen(socket, { end: () => socket.end() });
    const bytes = pattern(LETTERS_COUNT);
    for (let i = 0; i < bytes.byteLength; i++) {
      socket.write(bytes.slice(i, i + 1));
    }
    return recorder.report();
  },

  /** Breaks off at the first byte. */
  resetAtFirst: (socket) => {
    const recorder = new Recorder();
    recorder.listen(socket, { data: () => socket.reset() });
    return recorder.report();
  },

  /** Breaks off before it listens, and again. */
  resetBeforeHandle: async (socket, cue) => {
    const recorder = new Recorder();
    socket.reset();
    socket.reset();
    await cue;
    recorder.listen(socket, {});
    return recorder.report();
  },
} as const satisfies Record<string, Program>;

export type ProgramName = keyof typeof PROGRAMS;
