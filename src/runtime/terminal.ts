import { constants, openSync, readSync } from "node:fs";
import { setTimeout } from "node:timers/promises";
import { ReadStream } from "node:tty";
import { Fault } from "../protocol/fault.ts";
import { errorCode } from "./files.ts";

/** Longest answer that a person can give. Ours to choose. */
const ANSWER_MAX_CHARS = 1_024;

/** How much is read at once, and how soon a key is seen. Ours to choose. */
const READ_MAX_BYTES = 256;
const LOOK_INTERVAL_MS = 15;

/** What the keys send that mean something, in a terminal's raw mode. */
const KEYS = {
  interrupt: "\x03",
  endOfFile: "\x04",
  backspace: "\b",
  delete: "\x7f",
  eraseLine: "\x15",
  lineFeed: "\n",
  carriageReturn: "\r",
} as const;

/** An arrow or a function key: a control sequence (ECMA-48 §5.4), no text. */
// deno-lint-ignore no-control-regex
const SEQUENCE_REGEXP = /\x1b(?:\[[0-?]*[ -/]*[@-~]|O?[ -~])?/g;

/** The first character that is no control. */
const FIRST_PRINTABLE = " ";

/** Returns whether a person is there to be asked, and to see the question. */
export function isTerminal(): boolean {
  return Boolean(process.stdin.isTTY) && Boolean(process.stderr.isTTY);
}

/**
 * Asks the person at the terminal for one line, which is not shown if it
 * `isSecret`. Question and echo go to stderr: stdout is for answers.
 *
 * It takes no byte from the terminal but while it asks: what is started next
 * gets them all. Streams of Bun 1.4.5 keep one read under way after their end,
 * so the terminal is opened anew, not to block, and looked at now and then.
 *
 * @throws {Fault} `tunnelCancelled` at Ctrl-C, Ctrl-D and a closed terminal.
 * @throws `signal.reason` once aborted. Either way the terminal is as before.
 */
export async function askTerminal(
  question: string,
  isSecret: boolean,
  signal: AbortSignal,
): Promise<string> {
  signal.throwIfAborted();
  const isWindows = process.platform === "win32";
  const descriptor = openSync(
    isWindows ? "CONIN$" : "/dev/tty",
    isWindows ? "r+" : constants.O_RDWR | constants.O_NONBLOCK,
  );
  // Nobody listens to it, so it does not read: it only knows about raw mode.
  const terminal = new ReadStream(descriptor);
  // First, or an early key would be shown.
  terminal.setRawMode(true);
  process.stderr.write(question);
  try {
    return await typedLine(descriptor, isSecret, signal);
  } finally {
    terminal.setRawMode(false);
    terminal.destroy();
    process.stderr.write("\n");
  }
}

async function typedLine(
  descriptor: number,
  isSecret: boolean,
  signal: AbortSignal,
): Promise<string> {
  const line = new TypedLine(isSecret);
  const decoder = new TextDecoder();
  for (;;) {
    const keys = readKeys(descriptor);
    if (keys === undefined) throw cancelled();
    const end = line.type(decoder.decode(keys, { stream: true }));
    if (end === "given") return line.text;
    if (end === "cancelled") throw cancelled();
    if (keys.length < READ_MAX_BYTES) {
      await setTimeout(LOOK_INTERVAL_MS, undefined, { signal })
        .catch(() => signal.throwIfAborted());
    }
  }
}

/**
 * Returns what has been typed by now, up to the end of a line: what is behind
 * it is for whoever reads next. Undefined: the terminal has gone.
 */
function readKeys(descriptor: number): Uint8Array | undefined {
  const keys: number[] = [];
  const byte = new Uint8Array(1);
  try {
    while (keys.length < READ_MAX_BYTES && !isLineEnd(keys.at(-1))) {
      if (readSync(descriptor, byte) === 0) return undefined;
      keys.push(byte[0] ?? 0);
    }
  } catch (error) {
    const code = errorCode(error);
    if (code === "EIO") return undefined;
    if (code !== "EAGAIN") throw error;
  }
  return Uint8Array.from(keys);
}

function isLineEnd(byte: number | undefined): boolean {
  return byte === 0x0a || byte === 0x0d;
}

/** A line while it is typed, key by key. */
class TypedLine {
  text = "";
  readonly #isSecret: boolean;

  constructor(isSecret: boolean) {
    this.#isSecret = isSecret;
  }

  /** Takes what keys send, up to the end of the line. */
  type(keys: string): "given" | "cancelled" | undefined {
    for (const key of keys.replaceAll(SEQUENCE_REGEXP, "")) {
      if (key === KEYS.lineFeed || key === KEYS.carriageReturn) return "given";
      if (key === KEYS.interrupt) return "cancelled";
      if (key === KEYS.endOfFile && this.text === "") return "cancelled";
      if (key === KEYS.backspace || key === KEYS.delete) this.#erase(1);
      else if (key === KEYS.eraseLine) this.#erase(this.text.length);
      else if (key >= FIRST_PRINTABLE) this.#add(key);
    }
    return undefined;
  }

  #add(key: string): void {
    if (this.text.length + key.length > ANSWER_MAX_CHARS) return;
    this.text += key;
    if (!this.#isSecret) process.stderr.write(key);
  }

  #erase(count: number): void {
    const characters = [...this.text];
    const kept = characters.slice(0, Math.max(0, characters.length - count));
    const goneCount = characters.length - kept.length;
    this.text = kept.join("");
    if (!this.#isSecret) process.stderr.write("\b \b".repeat(goneCount));
  }
}

function cancelled(): Fault {
  return new Fault("tunnelCancelled", "Stopped at the question", {
    hint: "Try again",
  });
}
