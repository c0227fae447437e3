import * as z from "zod/mini";
import { withDeadline } from "../base/deadline.ts";
import {
  enrollRequestSchema,
  renewRequestSchema,
} from "../protocol/enroll_message.ts";
import { Fault, type FaultCode } from "../protocol/fault.ts";
import { ENROLL_MESSAGE_MAX_BYTES } from "../protocol/limits.ts";
import { ENROLL_PATH, RENEW_PATH } from "../protocol/version.ts";
import type { Caller } from "../transport/visitor.ts";
import { addressOf, admit, type AdmitPorts } from "./admit.ts";
import { enrollComputer, type EnrollPorts } from "./enroll_computer.ts";
import { type RenewCaller, renewCertificate } from "./renew_certificate.ts";
import { RequestLimiter } from "./request_limiter.ts";

/** A body is one small text: whoever needs longer sends something else. */
const BODY_TIMEOUT_MS = 10_000;

/** Not the caller's fault, whatever it has sent. */
const OUR_CODES: ReadonlySet<string> = new Set<FaultCode>([
  "configInvalid",
  "internal",
]);

export interface EnrollPagesPorts extends EnrollPorts {
  readonly identity: AdmitPorts;
  /** Writes down that somebody was refused, and returns why as a fault. */
  readonly refuse: (caller: Caller, path: string, error: unknown) => Fault;
}

/** What is answered: a status, and JSON. */
export interface EnrollAnswer {
  readonly status: number;
  readonly body: object;
}

/** A computer asks for a certificate: docs/PROTOCOL.md §13. */
export class EnrollPages {
  readonly #ports: EnrollPagesPorts;
  readonly #limiter: RequestLimiter;

  constructor(ports: EnrollPagesPorts) {
    this.#ports = ports;
    this.#limiter = new RequestLimiter(ports.clock);
  }

  /** Who will sign: to be compared with the pin of a token. */
  async offer(): Promise<EnrollAnswer> {
    try {
      return { status: 200, body: { ca: await this.#ports.store.caPem() } };
    } catch (error) {
      throw ours(error);
    }
  }

  /** @throws {Fault} Why not, written down. */
  async enroll(request: Request, caller: Caller): Promise<EnrollAnswer> {
    return await this.#written(ENROLL_PATH, caller, async (address) => {
      const asked = await readBody(request, enrollRequestSchema, this.#ports);
      const issued = await enrollComputer(asked, address, this.#ports);
      return await this.#issued(issued.pem);
    });
  }

  /** @throws {Fault} Why not, written down. */
  async renew(request: Request, caller: Caller): Promise<EnrollAnswer> {
    return await this.#written(RENEW_PATH, caller, async (address) => {
      const asked = await readBody(request, renewRequestSchema, this.#ports);
      const shows = showing(caller, this.#ports.identity);
      const renewal = await renewCertificate(
        asked,
        { address, shows },
        this.#ports,
      );
      return renewal.tag === "pending"
        ? { status: 202, body: { pending: renewal.id } }
        : await this.#issued(renewal.certificate.pem);
    });
  }

  async #issued(certificate: string): Promise<EnrollAnswer> {
    const ca = await this.#ports.store.caPem();
    return { status: 200, body: { certificate, ca } };
  }

  async #written(
    path: string,
    caller: Caller,
    work: (address: string) => Promise<EnrollAnswer>,
  ): Promise<EnrollAnswer> {
    try {
      const address = addressOf(caller, this.#ports.identity.source);
      this.#limiter.take(address);
      return await work(address);
    } catch (error) {
      const isOurs = OUR_CODES.has(Fault.from(error).code);
      throw isOurs ? ours(error) : this.#ports.refuse(caller, path, error);
    }
  }
}

/** What only we can mend; where the CA's files are is nobody's business. */
function ours(cause: unknown): Fault {
  return new Fault("internal", "Cannot use the directory of the CA", { cause });
}

/** The handshake proves a key, whatever the certificate's dates are. */
function showing(caller: Caller, ports: AdmitPorts): RenewCaller["shows"] {
  if (ports.source.tag === "certificate") {
    const shown = caller.certificate?.raw;
    return ({ raw }) =>
      shown?.length === raw.length &&
      raw.every((byte, at) => byte === shown[at]);
  }
  return (_known, subject) => {
    try {
      const { isNobody, principal } = admit(caller, ports);
      return !isNobody && principal.subject === subject;
    } catch {
      return false; // Nobody whom the proxy knows: then it has shown nothing.
    }
  };
}

/** @throws {Fault} `messageTooLarge`, `messageInvalid`, `linkSilent`. */
async function readBody<T extends z.ZodMiniType>(
  request: Request,
  schema: T,
  { clock }: Pick<EnrollPorts, "clock">,
): Promise<z.output<T>> {
  const text = await withDeadline(
    () => boundedText(request),
    BODY_TIMEOUT_MS,
    () => new Fault("linkSilent", "Cannot read request: it does not end"),
    clock,
    request.signal,
  );
  const parsed = schema.safeParse(jsonOf(text));
  if (parsed.success) return parsed.data;
  const key = parsed.error.issues[0]?.path[0] ?? "body";
  throw new Fault(
    "messageInvalid",
    `Cannot read request: "${String(key)}" is not what it should be`,
    { hint: "Check that both sides run versions that fit" },
  );
}

async function boundedText(request: Request): Promise<string> {
  const decoder = new TextDecoder();
  let text = "";
  let bytes = 0;
  const body = request.body as AsyncIterable<Uint8Array> | null;
  for await (const chunk of body ?? []) {
    bytes += chunk.byteLength;
    if (bytes > ENROLL_MESSAGE_MAX_BYTES) {
      throw new Fault(
        "messageTooLarge",
        `Cannot read request: over ${ENROLL_MESSAGE_MAX_BYTES} bytes`,
      );
    }
    text += decoder.decode(chunk, { stream: true });
  }
  return text + decoder.decode();
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined; // The schema says that it is nothing.
  }
}
