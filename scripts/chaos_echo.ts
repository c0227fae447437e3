import { connect, type Socket } from "node:net";
import { SeededRandom } from "../test/support/seeded_random.ts";
import { startListener } from "../test/support/listener.ts";
import type { ChaosTally } from "./chaos_tally.ts";
import type { ChaosWorld } from "./chaos_world.ts";

const PULSE_EVERY_MS = 20;
const BLOCK_BYTES = 64 * 1024;
/** What is under way of the bulk at most. */
const AHEAD_MAX_BYTES = 4 * 1024 * 1024;
const BULK_BYTES_PER_SECOND = 8 * 1024 * 1024;

/** Opens a tunnel to the server that echoes. */
export async function openEcho(world: ChaosWorld): Promise<Socket> {
  const { operator, site, url } = world;
  const { port } = await startListener(site, url, operator, "7", "echo");
  const socket = connect({ port, host: "127.0.0.1", noDelay: true });
  await new Promise<void>((resolve, reject) => {
    socket.once("connect", resolve);
    socket.once("error", reject);
  });
  return socket;
}

/** A tunnel over which somebody types, and looks at each character. */
export class Pulse {
  readonly #socket: Socket;
  #heardCount = 0;
  #sentCount = 0;
  #isOver = false;
  #heard: () => void = () => undefined;

  private constructor(socket: Socket, tally: ChaosTally) {
    this.#socket = socket;
    socket.on("data", (chunk: Uint8Array) => {
      for (const byte of chunk) {
        if (byte !== (this.#heardCount & 0xff)) tally.wrongBytes++;
        this.#heardCount++;
      }
      tally.carriedBytes += chunk.byteLength;
      this.#heard();
    });
    socket.on("error", () => undefined);
    socket.once("close", () => {
      if (!this.#isOver) tally.lost.push("pulse: the tunnel broke off");
      else if (this.#heardCount === this.#sentCount) tally.done("pulse");
      else tally.lost.push("pulse: it ended before all was there");
      this.#heard();
    });
  }

  /** Returns when the first byte has come back. */
  static async start(world: ChaosWorld, tally: ChaosTally): Promise<Pulse> {
    const pulse = new Pulse(await openEcho(world), tally);
    pulse.#beat();
    await pulse.usable();
    return pulse;
  }

  /** Resolves when a byte that is sent from now on has come back. */
  async usable(): Promise<void> {
    const wanted = this.#sentCount;
    while (this.#heardCount <= wanted && !this.#socket.destroyed) {
      await new Promise<void>((resolve) => this.#heard = resolve);
    }
  }

  async finish(): Promise<void> {
    this.#isOver = true;
    if (this.#socket.destroyed) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#socket.once("close", () => resolve());
    this.#socket.end();
    await promise;
  }

  #beat(): void {
    if (this.#isOver || this.#socket.destroyed) return;
    this.#socket.write(Uint8Array.of(this.#sentCount++ & 0xff));
    setTimeout(() => this.#beat(), PULSE_EVERY_MS);
  }
}

/** Sends bytes that look random for as long as `goesOn`, and checks the echo. */
export async function runBulk(
  socket: Socket,
  tally: ChaosTally,
  goesOn: () => boolean,
): Promise<void> {
  const [sent, expected] = [new SeededRandom(1), new SeededRandom(1)];
  let [sentBytes, heardBytes] = [0, 0];
  socket.on("error", () => undefined);
  socket.on("data", (chunk: Uint8Array) => {
    for (const byte of chunk) {
      if (byte !== expected.below(256)) tally.wrongBytes++;
    }
    heardBytes += chunk.byteLength;
    tally.carriedBytes += chunk.byteLength;
  });
  const closed = new Promise<void>((resolve) => socket.once("close", resolve));
  while (goesOn() && !socket.destroyed) {
    if (sentBytes - heardBytes < AHEAD_MAX_BYTES) {
      socket.write(
        Uint8Array.from({ length: BLOCK_BYTES }, () => sent.below(256)),
      );
      sentBytes += BLOCK_BYTES;
    }
    await Bun.sleep(1_000 * BLOCK_BYTES / BULK_BYTES_PER_SECOND);
  }
  if (socket.destroyed) {
    tally.lost.push("bulk: the tunnel broke off");
    return;
  }
  socket.end();
  await closed;
  if (heardBytes === sentBytes) tally.done("bulk");
  else tally.lost.push(`bulk: ${sentBytes - heardBytes} bytes are missing`);
}
