import { Fault } from "../protocol/fault.ts";

/** Where install.sh and the releases are, beside the links. */
export const DOWNLOADS_PATH = "/tunnel/:name";

/**
 * What a release consists of: scripts/package makes these, and nothing else is
 * ever looked for. There is no slash in any of them.
 */
const NAME_REGEXP =
  /^(?:install\.sh|SHA256SUMS(?:\.sig)?|migasfree-agent[-_][0-9A-Za-z][0-9A-Za-z.~_-]{0,100}\.(?:tar\.xz|deb|rpm|msi))$/;

const SCRIPT_NAME = "install.sh";

/** The line of install.sh into which a gateway writes where it is. */
const FROM_LINE = "MF_FROM=''";

/** What a shell takes as it is, between quotes. */
const PLAIN_URL_REGEXP = /^https:\/\/[A-Za-z0-9.:[\]_-]+\/tunnel$/;

/** Each is an open file and a connection: more may come back later. */
const DOWNLOADS_MAX_COUNT = 64;
const RETRY_AFTER_MS = 30_000;

/** A file that is handed out. */
export interface Download {
  readonly bytes: number;
  /** Whoever cancels it closes the file. */
  readonly body: ReadableStream<Uint8Array>;
  /** Resolves when the file is closed. */
  readonly closed: Promise<void>;
}

export interface DownloadPorts {
  /** Opens a file of the directory; undefined if there is none of that name. */
  readonly open: (name: string) => Promise<Download | undefined>;
  /** Whole text of a small file. */
  readonly readText: (name: string) => Promise<string | undefined>;
  /** `https://host/tunnel`, if the gateway knows it. */
  readonly publicUrl: string | undefined;
}

/** Hands out releases to whoever asks: they are no secret, and are signed. */
export class Downloads {
  readonly #ports: DownloadPorts;
  #openCount = 0;

  constructor(ports: DownloadPorts) {
    this.#ports = ports;
  }

  /**
   * Returns the file called `name`, or undefined if there is none.
   *
   * @throws {Fault} `quotaExceeded` if too many are downloaded already.
   */
  async answer(name: string): Promise<Response | undefined> {
    if (!NAME_REGEXP.test(name)) return undefined;
    if (name === SCRIPT_NAME) return await this.#script();
    if (this.#openCount >= DOWNLOADS_MAX_COUNT) throw tooMany();
    this.#openCount++;
    const done = () => void this.#openCount--;
    const file = await this.#ports.open(name).catch((error: unknown) => {
      done();
      throw error;
    });
    if (!file) {
      done();
      return undefined;
    }
    void file.closed.then(done, done);
    return new Response(file.body, {
      headers: {
        ...HEADERS,
        "content-type": "application/octet-stream",
        "content-length": String(file.bytes),
      },
    });
  }

  async #script(): Promise<Response | undefined> {
    const text = await this.#ports.readText(SCRIPT_NAME);
    if (text === undefined) return undefined;
    const { publicUrl } = this.#ports;
    const script = publicUrl !== undefined && PLAIN_URL_REGEXP.test(publicUrl)
      ? text.replace(FROM_LINE, `MF_FROM='${publicUrl}'`)
      : text;
    return new Response(script, {
      headers: { ...HEADERS, "content-type": "text/x-shellscript" },
    });
  }
}

const HEADERS = {
  // A release that is replaced under its name must be seen at once.
  "cache-control": "no-cache",
  "x-content-type-options": "nosniff",
};

function tooMany(): Fault {
  return new Fault(
    "quotaExceeded",
    `Cannot hand out more than ${DOWNLOADS_MAX_COUNT} files at once`,
    { hint: "Try again in a minute", retryAfterMs: RETRY_AFTER_MS },
  );
}
