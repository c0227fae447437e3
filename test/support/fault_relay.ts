import {
  type AddressInfo,
  connect,
  createServer,
  type Server,
  type Socket,
} from "node:net";
import { FaultLane, type LaneOwner } from "./fault_lane.ts";
import { CALM, type Weather } from "./fault_weather.ts";
import { endsMessage, type FramePiece } from "./web_socket_frames.ts";

export interface FaultRelayOptions {
  /** Whom connections are relayed to. */
  readonly target: { readonly host: string; readonly port: number };
  /** Default 127.0.0.1, and a free port. */
  readonly host?: string;
  readonly port?: number;
  readonly weather?: Partial<Weather>;
  /** Uniform in [0, 1): for the jitter. */
  readonly random?: () => number;
  /** What goes through are WebSockets without TLS, whose frames are seen. */
  readonly isFramed?: boolean;
  /** Called for each connection, before anything goes through it. */
  readonly connected?: (connection: FaultConnection) => void;
}

/** What a relay has done so far. */
export interface FaultCounts {
  connections: number;
  carriedBytes: number;
  swallowedBytes: number;
  pings: number;
  resets: number;
}

/**
 * A TCP proxy that does to connections what networks do, and proxies in them:
 * see {@linkcode Weather}. It may be changed while it runs.
 */
export class FaultRelay implements AsyncDisposable {
  readonly counts: FaultCounts = {
    connections: 0,
    carriedBytes: 0,
    swallowedBytes: 0,
    pings: 0,
    resets: 0,
  };
  readonly options: FaultRelayOptions;
  readonly #server: Server;
  readonly #connections = new Set<FaultConnection>();
  readonly #held = new Set<Socket>();
  #weather: Weather;

  private constructor(options: FaultRelayOptions) {
    this.options = options;
    this.#weather = { ...CALM, ...options.weather };
    this.#server = createServer(
      { allowHalfOpen: true },
      (socket) => this.#take(socket),
    );
  }

  static async listen(options: FaultRelayOptions): Promise<FaultRelay> {
    const relay = new FaultRelay(options);
    const { host = "127.0.0.1", port = 0 } = options;
    await new Promise<void>((resolve, reject) => {
      relay.#server.once("error", reject);
      relay.#server.listen(port, host, resolve);
    });
    return relay;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  get weather(): Weather {
    return this.#weather;
  }

  get connectionCount(): number {
    return this.#connections.size;
  }

  /** Changes the weather, for what is connected too. */
  set(change: Partial<Weather>): void {
    this.#weather = { ...this.#weather, ...change };
    for (const connection of this.#connections) connection.changed();
  }

  /**
   * Swallows all that goes through what is connected now, and holds its
   * sockets: what is dialed later is not concerned.
   */
  swallow(): void {
    const { down, up } = this.#weather;
    this.set({ up: "swallowed", down: "swallowed" });
    this.set({ up, down });
  }

  /** Resets all that is connected. Returns how many that were. */
  reset(): number {
    const all = [...this.#connections];
    for (const connection of all) connection.reset();
    return all.length;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#server.close(() => resolve());
    for (const connection of [...this.#connections]) connection.reset();
    for (const socket of this.#held) socket.destroy();
    await promise;
  }

  #take(socket: Socket): void {
    this.counts.connections++;
    // How it ends is told to the other side, by `close`.
    socket.on("error", () => socket.destroy());
    const { welcome } = this.#weather;
    if (welcome === "refused") return void socket.resetAndDestroy();
    if (welcome === "held") {
      this.#held.add(socket);
      socket.on("data", (chunk: Uint8Array) => {
        this.counts.swallowedBytes += chunk.byteLength;
      });
      socket.once("close", () => this.#held.delete(socket));
      return;
    }
    const connection = new FaultConnection(socket, this, () => {
      this.#connections.delete(connection);
    });
    this.#connections.add(connection);
    this.options.connected?.(connection);
  }
}

/** One connection through a {@linkcode FaultRelay}. */
export class FaultConnection implements LaneOwner {
  /** Reset when so many messages, and the goodbye, have passed and one more comes. */
  cutAtCount = Infinity;
  /** Messages that have passed in both directions, a goodbye among them. */
  messageCount = 0;
  readonly isFramed: boolean;
  readonly random: () => number;
  readonly #relay: FaultRelay;
  readonly #client: Socket;
  readonly #server: Socket;
  readonly #up: FaultLane;
  readonly #down: FaultLane;
  readonly #gone: () => void;
  #carriedBytes = 0;
  #idleTimer: ReturnType<typeof setTimeout> | undefined;

  constructor(client: Socket, relay: FaultRelay, gone: () => void) {
    const { isFramed = false, random = Math.random, target } = relay.options;
    this.isFramed = isFramed;
    this.random = random;
    this.#relay = relay;
    this.#client = client;
    this.#gone = gone;
    client.setNoDelay(true);
    this.#server = connect({ ...target, allowHalfOpen: true, noDelay: true });
    this.#up = new FaultLane(client, this.#server, this, () => this.weather.up);
    this.#down = new FaultLane(
      this.#server,
      client,
      this,
      () => this.weather.down,
    );
    client.once("close", (hadError) => this.#closed(this.#up, hadError));
    this.#server.once(
      "close",
      (hadError) => this.#closed(this.#down, hadError),
    );
    this.#server.on("error", () => this.reset());
    this.heard();
  }

  get weather(): Weather {
    return this.#relay.weather;
  }

  changed(): void {
    this.#up.changed();
    this.#down.changed();
    this.heard();
  }

  /** Breaks both sides off so that they see it. */
  reset(): void {
    if (!this.#client.destroyed) this.#relay.counts.resets++;
    this.#client.resetAndDestroy();
    this.#server.resetAndDestroy();
  }

  // For the lanes.

  heard(): void {
    clearTimeout(this.#idleTimer);
    const { idleMs } = this.weather;
    if (idleMs === 0 || this.#client.destroyed) return;
    this.#idleTimer = setTimeout(() => this.reset(), idleMs);
  }

  admit(piece: FramePiece): number {
    const isMessage = endsMessage(piece);
    if (isMessage && this.messageCount >= this.cutAtCount) return 0;
    if (isMessage) this.messageCount++;
    const { resetAfterBytes } = this.weather;
    const size = resetAfterBytes === 0
      ? piece.bytes.byteLength
      : Math.min(piece.bytes.byteLength, resetAfterBytes - this.#carriedBytes);
    this.#carriedBytes += size;
    this.#relay.counts.carriedBytes += size;
    return size;
  }

  dropped(bytes: number, isPing: boolean): void {
    if (isPing) this.#relay.counts.pings++;
    else this.#relay.counts.swallowedBytes += bytes;
  }

  /** The source of `lane` has gone: the other side too, if it hears of it. */
  #closed(lane: FaultLane, hadError: boolean): void {
    clearTimeout(this.#idleTimer);
    const other = lane === this.#up ? this.#server : this.#client;
    if (other.destroyed) {
      this.#up.stop();
      this.#down.stop();
      return this.#gone();
    }
    if (lane.isDead) return;
    if (hadError) other.resetAndDestroy();
    else lane.finish();
  }
}
