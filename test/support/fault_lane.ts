import type { Socket } from "node:net";
import type { Flow, Weather } from "./fault_weather.ts";
import {
  type FramePiece,
  isPing,
  WebSocketFrames,
} from "./web_socket_frames.ts";

/** A slow line is slow all the time, and does not take a big gulp and rest. */
const PIECE_MS = 50;

/** Bytes that may be late at once: then the sender waits. */
const LATE_MAX_BYTES = 8 * 1024 * 1024;

/** Why the source is not read at present. */
type Hold = "sink" | "rate" | "late" | "stands";

/** What the connection that a lane belongs to decides. */
export interface LaneOwner {
  readonly weather: Weather;
  /** Whether the bytes are taken for a WebSocket's. */
  readonly isFramed: boolean;
  readonly random: () => number;
  /** Bytes have come. */
  heard(): void;
  /** How many of the bytes of `piece` may pass; fewer: it is reset then. */
  admit(piece: FramePiece): number;
  /** What is not passed on. */
  dropped(bytes: number, isPing: boolean): void;
  reset(): void;
}

/** One direction of a connection: from a socket that is read to another. */
export class FaultLane {
  readonly #source: Socket;
  readonly #sink: Socket;
  readonly #owner: LaneOwner;
  readonly #flow: () => Flow;
  readonly #frames = new WebSocketFrames();
  readonly #holds = new Set<Hold>();
  /** In the order in which they are due. */
  readonly #late: { readonly dueMs: number; readonly work: () => void }[] = [];
  #lateBytes = 0;
  /** What the bytes take that came since the source was last read. */
  #rateMs = 0;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #rateTimer: ReturnType<typeof setTimeout> | undefined;
  /** It was swallowed once: what comes later is of no use to anybody. */
  #isDead = false;

  constructor(
    source: Socket,
    sink: Socket,
    owner: LaneOwner,
    flow: () => Flow,
  ) {
    this.#source = source;
    this.#sink = sink;
    this.#owner = owner;
    this.#flow = flow;
    source.on("data", (chunk: Uint8Array) => this.#take(chunk));
    source.on("end", () => this.#later(0, () => this.#end()));
    sink.on("drain", () => this.#release("sink"));
    this.changed();
  }

  /** Nobody hears any more of what the source does. */
  get isDead(): boolean {
    return this.#isDead;
  }

  /** The weather has changed. */
  changed(): void {
    const flow = this.#flow();
    if (flow === "swallowed") this.#isDead = true;
    if (flow === "stands") this.#hold("stands");
    else this.#release("stands");
  }

  /** The source has gone cleanly: so does the sink, after what is late. */
  finish(): void {
    this.#later(0, () => this.#sink.destroySoon());
  }

  stop(): void {
    clearTimeout(this.#timer);
    clearTimeout(this.#rateTimer);
    this.#late.length = 0;
  }

  #take(chunk: Uint8Array): void {
    this.#owner.heard();
    if (this.#isDead) return this.#owner.dropped(chunk.byteLength, false);
    for (const piece of this.#pieces(chunk)) {
      if (isPing(piece) && this.#owner.weather.swallowsPings) {
        this.#owner.dropped(piece.bytes.byteLength, true);
        continue;
      }
      const size = this.#owner.admit(piece);
      this.#pass(piece.bytes.subarray(0, size));
      if (size < piece.bytes.byteLength) {
        return this.#later(0, () => this.#owner.reset());
      }
    }
  }

  #end(): void {
    this.#later(0, () => {
      if (!this.#isDead) this.#sink.end();
    });
  }

  #pieces(chunk: Uint8Array): FramePiece[] {
    if (this.#owner.isFramed) return this.#frames.push(chunk);
    return [{ opcode: undefined, isFinal: false, bytes: chunk }];
  }

  #pass(bytes: Uint8Array): void {
    if (bytes.byteLength === 0) return;
    const { bytesPerSecond } = this.#owner.weather;
    if (bytesPerSecond === 0) return this.#passIn(bytes, 0);
    const pieceBytes = Math.ceil(bytesPerSecond * PIECE_MS / 1_000);
    for (let at = 0; at < bytes.byteLength; at += pieceBytes) {
      const piece = bytes.subarray(at, at + pieceBytes);
      this.#passIn(piece, this.#rateMs);
      this.#rateMs += 1_000 * piece.byteLength / bytesPerSecond;
    }
    this.#hold("rate");
    clearTimeout(this.#rateTimer);
    this.#rateTimer = setTimeout(() => {
      this.#rateMs = 0;
      this.#release("rate");
    }, this.#rateMs);
  }

  #passIn(bytes: Uint8Array, rateMs: number): void {
    const { jitterMs, latencyMs } = this.#owner.weather;
    this.#lateBytes += bytes.byteLength;
    if (this.#lateBytes > LATE_MAX_BYTES) this.#hold("late");
    this.#later(rateMs + latencyMs + jitterMs * this.#owner.random(), () => {
      this.#lateBytes -= bytes.byteLength;
      if (this.#lateBytes <= LATE_MAX_BYTES) this.#release("late");
      if (this.#isDead) return this.#owner.dropped(bytes.byteLength, false);
      if (this.#sink.writable && !this.#sink.write(bytes)) this.#hold("sink");
    });
  }

  /** Does `work` in `ms`, but never before what was put off earlier. */
  #later(ms: number, work: () => void): void {
    const last = this.#late.at(-1);
    if (ms <= 0 && !last) return work();
    const dueMs = Math.max(last?.dueMs ?? 0, performance.now() + ms);
    this.#late.push({ dueMs, work });
    if (!last) this.#wake();
  }

  #wake(): void {
    const [first] = this.#late;
    if (!first) return;
    this.#timer = setTimeout(() => {
      const nowMs = performance.now();
      while (this.#late[0] && this.#late[0].dueMs <= nowMs) {
        this.#late.shift()?.work();
      }
      this.#wake();
    }, Math.max(0, first.dueMs - performance.now()));
  }

  #hold(why: Hold): void {
    this.#holds.add(why);
    this.#source.pause();
  }

  #release(why: Hold): void {
    this.#holds.delete(why);
    if (this.#holds.size === 0) this.#source.resume();
  }
}
