import { createPrivateKey, X509Certificate } from "node:crypto";
import { principalOf, subjectAttributes } from "../policy/identity.ts";
import {
  enrollOfferSchema,
  type EnrollRequest,
  issuedSchema,
  pendingSchema,
  type RenewRequest,
} from "../protocol/enroll_message.ts";
import { Fault } from "../protocol/fault.ts";
import { ENROLL_PATH, RENEW_PATH } from "../protocol/version.ts";
import { answerFault } from "../transport/answer_fault.ts";
import type { JsonAnswer } from "../transport/post_json.ts";
import { HttpsClient, type HttpsClientOptions } from "./https_client.ts";

const ACCEPTED = 202;

/** What a gateway has given to a computer, checked against its key. */
export interface Given {
  readonly certPem: string;
  readonly caPem: string;
  readonly notAfterMs: number;
}

/** What became of a renewal. */
export type RenewAnswer =
  | ({ readonly tag: "given" } & Given)
  | { readonly tag: "pending"; readonly id: string };

/** Told what time it is there, whenever the other side says so. */
export type HeardDate = (dateMs: number | undefined) => void;

/** The requests of a computer that wants a certificate. */
export class EnrollClient {
  readonly #origin: string;
  readonly #client: HttpsClient;
  readonly #heardDate: HeardDate;

  /** @param gatewayUrl As `wss://host/tunnel`. */
  constructor(
    gatewayUrl: string,
    options: HttpsClientOptions,
    heardDate: HeardDate,
  ) {
    this.#origin = new URL(gatewayUrl.replace(/^ws/, "http")).origin;
    this.#client = new HttpsClient(options);
    this.#heardDate = heardDate;
  }

  /** Returns who would sign, PEM. @throws {Fault} If it cannot be had. */
  async offer(signal: AbortSignal): Promise<string> {
    const url = `${this.#origin}${ENROLL_PATH}`;
    const answer = await this.#client.getJson(url, signal);
    this.#heardDate(answer.dateMs);
    const offer = enrollOfferSchema.safeParse(answer.body);
    if (answer.status === 200 && offer.success) return offer.data.ca;
    throw answer.status === 404 ? nobodyEnrols(url) : faultOf(answer, url);
  }

  /** @throws {Fault} Why not. */
  async enroll(
    request: EnrollRequest,
    keyPem: string,
    signal: AbortSignal,
  ): Promise<Given> {
    const url = `${this.#origin}${ENROLL_PATH}`;
    const answer = await this.#client.postJson(url, request, signal);
    this.#heardDate(answer.dateMs);
    return given(answer, keyPem, url);
  }

  /** @throws {Fault} Why not. */
  async renew(
    request: RenewRequest,
    keyPem: string,
    signal: AbortSignal,
  ): Promise<RenewAnswer> {
    const url = `${this.#origin}${RENEW_PATH}`;
    const answer = await this.#client.postJson(url, request, signal);
    this.#heardDate(answer.dateMs);
    const pending = pendingSchema.safeParse(answer.body);
    if (answer.status === ACCEPTED && pending.success) {
      return { tag: "pending", id: pending.data.pending };
    }
    return { tag: "given", ...given(answer, keyPem, url) };
  }
}

function given(answer: JsonAnswer, keyPem: string, url: string): Given {
  const issued = issuedSchema.safeParse(answer.body);
  if (answer.status !== 200 || !issued.success) throw faultOf(answer, url);
  const { ca: caPem, certificate: certPem } = issued.data;
  try {
    const certificate = new X509Certificate(certPem);
    const ca = new X509Certificate(caPem);
    const { role } = principalOf(
      subjectAttributes(certificate.toLegacyObject().subject),
    );
    const isGood = role === "agent" && certificate.verify(ca.publicKey) &&
      certificate.checkPrivateKey(createPrivateKey(keyPem));
    const notAfterMs = certificate.validToDate.getTime();
    if (isGood) return { certPem, caPem, notAfterMs };
  } catch (cause) {
    throw unusable(cause);
  }
  throw unusable(undefined);
}

function faultOf(answer: JsonAnswer, url: string): Fault {
  if (answer.status < 300) return unusable(undefined);
  return answerFault(answer, url);
}

function nobodyEnrols(url: string): Fault {
  return new Fault(
    "gatewayRefused",
    `Cannot enrol at ${new URL(url).host}: nobody enrols there`,
    { hint: "Set pki_dir in [enroll] of its gateway.toml" },
  );
}

function unusable(cause: unknown): Fault {
  return new Fault(
    "messageInvalid",
    "Cannot use what the gateway answers: it is no certificate for our key",
    { hint: "Check that both sides run versions that fit", cause },
  );
}
