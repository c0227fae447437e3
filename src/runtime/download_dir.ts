import { constants } from "node:fs";
import { open } from "node:fs/promises";
import { join } from "node:path";
import { errorCode, fileFault } from "./files.ts";

/** An open file, and what comes out of it. */
export interface OpenDownload {
  readonly bytes: number;
  /** Whoever cancels it closes the file. */
  readonly body: ReadableStream<Uint8Array>;
  /** Resolves when the file is closed. */
  readonly closed: Promise<void>;
}

/** What is read at a time, and so is in memory for each download. */
const CHUNK_BYTES = 64 * 1024;

/** Largest script that is read whole. */
const TEXT_MAX_BYTES = 1024 * 1024;

/** A directory whose files are handed out, each by its name. */
export class DownloadDir {
  readonly #path: string;

  constructor(path: string) {
    this.#path = path;
  }

  /**
   * Opens a file; undefined if there is none of that name, or it is a symbolic
   * link, a directory, or another kind of file.
   *
   * @param name Has no slash: whoever asks has seen to that.
   * @throws {Fault} `configInvalid` if it cannot be read.
   */
  async open(name: string): Promise<OpenDownload | undefined> {
    const path = join(this.#path, name);
    const flags = constants.O_RDONLY | (constants.O_NOFOLLOW ?? 0) |
      (constants.O_NONBLOCK ?? 0);
    try {
      const file = await open(path, flags);
      const stat = await file.stat();
      if (!stat.isFile()) {
        await file.close();
        return undefined;
      }
      return streamOf(file, stat.size);
    } catch (error) {
      const code = errorCode(error) ?? "";
      if (["ENOENT", "ELOOP", "EISDIR", "ENXIO"].includes(code)) {
        return undefined;
      }
      throw fileFault("hand out", path, error);
    }
  }

  /** Returns the text of a small file; undefined as for {@linkcode open}. */
  async readText(name: string): Promise<string | undefined> {
    const file = await this.open(name);
    if (!file) return undefined;
    if (file.bytes > TEXT_MAX_BYTES) {
      await file.body.cancel();
      return undefined;
    }
    return await new Response(file.body).text();
  }
}

type FileHandle = Awaited<ReturnType<typeof open>>;

/** A file that grows meanwhile ends where it did: its length has been said. */
function streamOf(file: FileHandle, bytes: number): OpenDownload {
  const { promise: closed, resolve } = Promise.withResolvers<void>();
  const close = async () => {
    await file.close();
    resolve();
  };
  let leftBytes = bytes;
  const body = new ReadableStream<Uint8Array>({
    async pull(controller) {
      const buffer = new Uint8Array(Math.min(CHUNK_BYTES, leftBytes));
      const { bytesRead } = buffer.length === 0
        ? { bytesRead: 0 }
        : await file.read(buffer, 0, buffer.length);
      leftBytes -= bytesRead;
      if (bytesRead > 0) controller.enqueue(buffer.subarray(0, bytesRead));
      if (bytesRead > 0 && leftBytes > 0) return;
      await close();
      controller.close();
    },
    cancel: close,
  }, { highWaterMark: 0 });
  return { bytes, body, closed };
}
