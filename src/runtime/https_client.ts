import { Fault } from "../protocol/fault.ts";
import type { JsonAnswer } from "../transport/post_json.ts";
import { dialFault, hostPort } from "./dial_fault.ts";
import { dateMs, retryAfterMs } from "./retry_after.ts";
import type { TlsMaterial } from "./ws_dial.ts";

/** Largest answer that is read. Ours to choose. */
export const ANSWER_MAX_BYTES = 1024 * 1024;

export interface HttpsClientOptions {
  readonly tls: TlsMaterial;
  /** `http://user:password@host:port`; undefined: none, whatever Bun thinks. */
  readonly proxy: string | undefined;
  /** From the first byte of the dial to the last of the answer. */
  readonly timeoutMs: number;
}

/** Asks over HTTPS, as the holder of a certificate. */
export class HttpsClient {
  readonly #options: HttpsClientOptions;

  constructor(options: HttpsClientOptions) {
    this.#options = options;
  }

  /**
   * Posts `body` as JSON; a {@linkcode PostJson}.
   *
   * @throws {Fault} `gatewayUnreachable`, `gatewayUnresolved`,
   * `gatewayUntrusted`, `gatewayRefused`, `proxyRefused`, `messageTooLarge`,
   * or why our certificate was refused.
   * @throws `signal.reason` once aborted.
   */
  async postJson(
    url: string,
    body: unknown,
    signal: AbortSignal,
  ): Promise<JsonAnswer> {
    const type = "application/json";
    return await this.#ask(url, {
      method: "POST",
      headers: { "accept": type, "content-type": type },
      body: JSON.stringify(body),
    }, signal);
  }

  /** Gets `url`. @throws As {@linkcode HttpsClient.postJson}. */
  async getJson(url: string, signal: AbortSignal): Promise<JsonAnswer> {
    const headers = { "accept": "application/json" };
    return await this.#ask(url, { method: "GET", headers }, signal);
  }

  async #ask(
    url: string,
    request: RequestInit,
    signal: AbortSignal,
  ): Promise<JsonAnswer> {
    const { proxy, timeoutMs } = this.#options;
    signal.throwIfAborted();
    const deadline = AbortSignal.timeout(timeoutMs);
    try {
      const response = await fetch(url, {
        ...request,
        ...bunOptions(this.#options),
        redirect: "manual",
        signal: AbortSignal.any([signal, deadline]),
      });
      const text = await boundedText(response, url);
      return {
        status: response.status,
        retryAfterMs: retryAfterMs(response.headers.get("retry-after")),
        dateMs: dateMs(response.headers.get("date")),
        body: parseJson(text),
      };
    } catch (error) {
      signal.throwIfAborted();
      if (deadline.aborted) throw tooLate(url, timeoutMs);
      throw dialFault(error, { url, viaProxy: proxy !== undefined });
    }
  }
}

/** What Bun's `fetch` takes beyond the standard. */
function bunOptions({ proxy, tls }: HttpsClientOptions): RequestInit {
  return {
    // `false`: Bun's own reading of the environment must not overrule ours.
    proxy: proxy ?? false,
    // One question, one connection: a renewed certificate is used at once.
    keepalive: false,
    tls: {
      ...(tls.ca === undefined ? {} : { ca: tls.ca }),
      ...(tls.cert === undefined ? {} : { cert: tls.cert }),
      ...(tls.key === undefined ? {} : { key: tls.key }),
      rejectUnauthorized: !tls.insecure,
    },
  } as RequestInit;
}

async function boundedText(response: Response, url: string): Promise<string> {
  const decoder = new TextDecoder();
  let text = "";
  let bytes = 0;
  for await (const chunk of response.body ?? []) {
    bytes += chunk.byteLength;
    // Leaving the loop cancels the rest.
    if (bytes > ANSWER_MAX_BYTES) throw tooLarge(url);
    text += decoder.decode(chunk, { stream: true });
  }
  return text + decoder.decode();
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined; // A page, or nothing: the status says the rest.
  }
}

function tooLarge(url: string): Fault {
  return new Fault(
    "messageTooLarge",
    `Cannot read answer of ${hostPort(url)}: over ${ANSWER_MAX_BYTES} bytes`,
    { hint: "Check the address: nobody we know says that much" },
  );
}

function tooLate(url: string, timeoutMs: number): Fault {
  return new Fault(
    "gatewayUnreachable",
    `Cannot reach ${hostPort(url)}: no answer in ${timeoutMs / 1_000} s`,
    { hint: "Check the network, the firewall and the proxy" },
  );
}
