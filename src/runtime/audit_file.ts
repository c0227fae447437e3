import {
  type BigIntStats,
  closeSync,
  constants,
  fstatSync,
  openSync,
  readSync,
  statSync,
  writeSync,
} from "node:fs";
import { plainText } from "../base/text.ts";
import type { AuditLog, AuditRecord } from "../policy/audit.ts";
import { Fault } from "../protocol/fault.ts";
import { fileFault } from "./files.ts";

/** Longest text of a record: what is longer is cut. Ours to choose. */
const TEXT_MAX_CHARS = 1_024;

const NEWLINE = 0x0a;

export interface AuditFilePorts {
  /** Milliseconds since 1970. */
  readonly wallNow: () => number;
  /** Told of each record that was not written; what it throws goes on. */
  readonly onFailure: (fault: Fault) => void;
}

/** An audit in a file. */
export interface AuditFile extends AuditLog, AsyncDisposable {
  /** How many records were not written. */
  readonly failureCount: number;
}

/**
 * Opens the audit at `path`: a JSON object a line, appended in one write each,
 * so that several processes may share the file. A file that was moved away is
 * noticed at the next record, and made anew: that is all logrotate needs.
 *
 * Lines are in the hands of the system when `write` returns, not on the disk.
 *
 * @throws {Fault} `configInvalid` if the file cannot be written now. Later
 * failures go to `ports.onFailure`.
 */
export function openAuditFile(
  path: string,
  ports: AuditFilePorts,
): AuditFile {
  return new AppendedFile(path, ports);
}

class AppendedFile implements AuditFile {
  readonly #path: string;
  readonly #ports: AuditFilePorts;
  #file: OpenFile | undefined;
  #failureCount = 0;
  #isClosed = false;

  constructor(path: string, ports: AuditFilePorts) {
    this.#path = path;
    this.#ports = ports;
    try {
      this.#file = openFile(path);
    } catch (error) {
      throw failure(path, error);
    }
  }

  get failureCount(): number {
    return this.#failureCount;
  }

  write(record: AuditRecord): void {
    try {
      this.#append(lineOf(record, this.#ports.wallNow()));
    } catch (error) {
      this.#failureCount++;
      // Whatever became of it, the next record begins with a fresh look.
      this.#closeFile();
      this.#ports.onFailure(failure(this.#path, error));
    }
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.#isClosed = true;
    this.#closeFile();
    return Promise.resolve();
  }

  #append(line: string): void {
    if (this.#isClosed) {
      throw new Fault("internal", "Cannot write audit: it is closed");
    }
    if (this.#file && !isStillAt(this.#path, this.#file)) this.#closeFile();
    this.#file ??= openFile(this.#path);
    const bytes = new TextEncoder().encode(this.#file.prefix + line);
    const writtenBytes = writeSync(this.#file.descriptor, bytes);
    if (writtenBytes < bytes.length) {
      // What a full disk looks like while there is still a little room.
      throw Object.assign(new Error("Short write"), { code: "ENOSPC" });
    }
    this.#file.prefix = "";
  }

  #closeFile(): void {
    const file = this.#file;
    this.#file = undefined;
    if (file) closeSync(file.descriptor);
  }
}

interface OpenFile {
  readonly descriptor: number;
  readonly stats: BigIntStats;
  /** Ends a line that somebody began and did not finish. */
  prefix: "" | "\n";
}

function openFile(path: string): OpenFile {
  const { O_APPEND, O_CREAT, O_RDWR } = constants;
  const descriptor = openSync(path, O_APPEND | O_CREAT | O_RDWR, 0o600);
  try {
    const stats = fstatSync(descriptor, { bigint: true });
    // A pipe that nobody reads would stop the gateway.
    if (!stats.isFile()) {
      throw new Fault(
        "configInvalid",
        `Cannot write audit ${path}: it is no regular file`,
        { hint: "Name a regular file as audit_file" },
      );
    }
    const prefix = endsALine(descriptor, stats.size) ? "" : "\n";
    return { descriptor, stats, prefix };
  } catch (error) {
    closeSync(descriptor);
    throw error;
  }
}

function endsALine(descriptor: number, sizeBytes: bigint): boolean {
  if (sizeBytes === 0n) return true;
  const last = new Uint8Array(1);
  readSync(descriptor, last, 0, 1, Number(sizeBytes - 1n));
  return last[0] === NEWLINE;
}

function isStillAt(path: string, file: OpenFile): boolean {
  const now = statSync(path, { bigint: true, throwIfNoEntry: false });
  return now?.ino === file.stats.ino && now.dev === file.stats.dev;
}

/** JSON escapes what would break a line; the rest is made harmless here. */
function lineOf(record: AuditRecord, wallMs: number): string {
  const fields = Object.entries(record).map(([key, value]) => [
    key,
    typeof value === "string" ? plainText(value, TEXT_MAX_CHARS) : value,
  ]);
  const time = new Date(wallMs).toISOString();
  return `${JSON.stringify({ time, ...Object.fromEntries(fields) })}\n`;
}

function failure(path: string, error: unknown): Fault {
  if (error instanceof Fault) return error;
  return fileFault("write audit", path, error);
}
