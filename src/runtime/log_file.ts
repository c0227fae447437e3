import {
  closeSync,
  fstatSync,
  mkdirSync,
  openSync,
  renameSync,
  writeSync,
} from "node:fs";
import { dirname } from "node:path";
import { fileFault } from "./files.ts";

/** Ours to choose: with what is kept, a log never takes more than 20 MiB. */
const FILE_MAX_BYTES = 5 * 1024 * 1024;
const KEPT_COUNT = 3;
const FILE_MODE = 0o640;
const DIRECTORY_MODE = 0o750;

/**
 * A log for where no service manager keeps one, as launchd and Windows do not:
 * when `path` has grown to `maxBytes` it becomes `path.1`, which was `path.2`,
 * and so on; of those {@linkcode KEPT_COUNT} are kept.
 */
export class LogFile implements Disposable {
  readonly #path: string;
  readonly #maxBytes: number;
  #fd: number;
  #bytes: number;

  /** @throws {Fault} `configInvalid` if it cannot be written. */
  constructor(path: string, maxBytes: number = FILE_MAX_BYTES) {
    this.#path = path;
    this.#maxBytes = maxBytes;
    try {
      mkdirSync(dirname(path), { recursive: true, mode: DIRECTORY_MODE });
      this.#fd = openSync(path, "a", FILE_MODE);
      this.#bytes = fstatSync(this.#fd).size;
    } catch (error) {
      throw fileFault("write log", path, error);
    }
  }

  /**
   * Writes a line. A line that cannot be written is lost, as it would be on a
   * full disk anywhere: an agent does not end for its log.
   */
  write(line: string): void {
    const bytes = Buffer.from(`${line}\n`, "utf8");
    try {
      if (this.#bytes + bytes.length > this.#maxBytes) this.#turn();
      writeSync(this.#fd, bytes);
      this.#bytes += bytes.length;
    } catch {
      // See above; the next line is tried again.
    }
  }

  [Symbol.dispose](): void {
    closeSync(this.#fd);
  }

  /** Windows renames no file that is open. */
  #turn(): void {
    closeSync(this.#fd);
    try {
      for (let index = KEPT_COUNT; index > 0; index--) {
        const from = index === 1 ? this.#path : `${this.#path}.${index - 1}`;
        renameIfThere(from, `${this.#path}.${index}`);
      }
    } finally {
      this.#fd = openSync(this.#path, "a", FILE_MODE);
      this.#bytes = fstatSync(this.#fd).size;
    }
  }
}

function renameIfThere(from: string, to: string): void {
  try {
    renameSync(from, to);
  } catch {
    // There is none yet, or somebody reads it: then it grows on.
  }
}
