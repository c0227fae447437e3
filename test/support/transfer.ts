import { randomBytes } from "node:crypto";
import type { Socket } from "node:net";

const BLOCK_BYTES = 1024 * 1024;

/**
 * Sends so many MiB of random bytes, and ends. Returns what the other side
 * should have had.
 *
 * @param before Called before each of the blocks of a MiB.
 */
export async function sendRandom(
  socket: Socket,
  blocks: number,
  before: (index: number) => Promise<void> | void = () => undefined,
): Promise<{ bytes: number; sha256: string }> {
  const sent = new Bun.CryptoHasher("sha256");
  for (let index = 0; index < blocks; index++) {
    await before(index);
    const block = randomBytes(BLOCK_BYTES);
    sent.update(block);
    if (!socket.write(block)) {
      await new Promise((resolve) => socket.once("drain", resolve));
    }
  }
  socket.end();
  return { bytes: blocks * BLOCK_BYTES, sha256: sent.digest("hex") };
}
