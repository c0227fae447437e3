import type { KnownCertificate } from "../policy/enroll_store.ts";
import { computerSubject, enrolledDevice } from "../policy/enrolled_name.ts";
import { isQuarantined } from "../policy/quarantine.ts";
import type { RenewRequest } from "../protocol/enroll_message.ts";
import { Fault } from "../protocol/fault.ts";
import { ENROLLED_DAYS, type EnrollPorts } from "./enroll_computer.ts";

/** A certificate that ends so much later than another is its successor. */
const SUCCESSOR_MIN_MS = 86_400_000;

/** Who asks, as far as the door knows. */
export interface RenewCaller {
  readonly address: string;
  /** Whether it has shown to have the key of this certificate. */
  readonly shows: (known: KnownCertificate, subject: string) => boolean;
}

/** What became of the question. */
export type Renewal =
  | { readonly tag: "issued"; readonly certificate: KnownCertificate }
  /** A person has to decide first. */
  | { readonly tag: "pending"; readonly id: string };

/**
 * Gives a computer the successor of its certificate, of the same name. Who
 * has more than half of its life left gets what it has: nobody piles them up.
 *
 * One that has expired is known all the same, and waits for a person.
 *
 * @throws {Fault} `certificateUntrusted` if we did not issue it,
 * `certificateRevoked`, `deviceBound` if its device is in quarantine,
 * `messageInvalid` about the CSR.
 */
export async function renewCertificate(
  request: RenewRequest,
  caller: RenewCaller,
  ports: EnrollPorts,
): Promise<Renewal> {
  const { audit, clock, log, metrics, store } = ports;
  const csr = await store.readRequest(request.csr);
  const known = await store.recall(request.certificate);
  if (!known) throw unknown();
  const { commonName } = known;
  const subject = computerSubject(await store.site(), commonName);
  // The signature of a request is proof of its own key, and of no other.
  if (csr.keyHash !== known.keyHash && !caller.shows(known, subject)) {
    throw new Fault(
      "certificateUntrusted",
      "Cannot renew: the request is for another key, and nothing shows " +
        "that the old one is there",
      { hint: "Dial with the old certificate, or ask for the same key" },
    );
  }
  await checkGood(known, subject, ports);
  const nowMs = clock.wallNow();
  const successor = await successorOf(known, csr.keyHash, nowMs, ports);
  if (successor) return { tag: "issued", certificate: successor };
  const { address } = caller;
  if (known.notAfterMs < nowMs) {
    const id = await requestId(known.serial, csr.keyHash);
    if (!await store.takeApproval(id)) {
      await ask(id, known, { address, nowMs, subject }, ports);
      return { tag: "pending", id };
    }
  }
  const issued = await store.issue(request.csr, commonName, ENROLLED_DAYS);
  const { serial } = issued;
  audit.write({ event: "certificate.renewed", subject, serial, address });
  metrics.certificateIssued("renewed");
  log.info("certificate.renewed", { name: commonName, address, serial });
  return { tag: "issued", certificate: issued };
}

async function checkGood(
  known: KnownCertificate,
  subject: string,
  { devices, store }: EnrollPorts,
): Promise<void> {
  if (await store.isRevoked(known)) {
    throw new Fault(
      "certificateRevoked",
      "Cannot renew certificate: it was revoked",
      { hint: "Enrol with a new token" },
    );
  }
  const deviceId = enrolledDevice(known.commonName);
  const bound = deviceId === undefined
    ? undefined
    : await devices.find(deviceId);
  if (!bound || !isQuarantined(bound.subject)) return;
  if (!bound.subject.endsWith(subject)) return;
  throw new Fault(
    "deviceBound",
    `Cannot renew certificate: device ${deviceId} is quarantined`,
    { hint: `Run \`migasfree-agent gateway release ${deviceId}\` there` },
  );
}

/**
 * What there is already for this key: what it shows, if that is still young;
 * or what it has not got yet, because an answer was lost.
 */
async function successorOf(
  known: KnownCertificate,
  keyHash: string,
  nowMs: number,
  { store }: EnrollPorts,
): Promise<KnownCertificate | undefined> {
  const { notAfterMs, notBeforeMs } = known;
  const isYoung = notAfterMs - nowMs > (notAfterMs - notBeforeMs) / 2;
  if (isYoung && keyHash === known.keyHash) return known;
  const issued = await store.issuedTo(known.commonName);
  for (const one of issued) {
    const isLater = one.notAfterMs > notAfterMs + SUCCESSOR_MIN_MS;
    if (!isLater || one.keyHash !== keyHash || one.notAfterMs < nowMs) continue;
    if (!await store.isRevoked(one)) return one;
  }
  return undefined;
}

async function ask(
  id: string,
  { commonName, notAfterMs, serial }: KnownCertificate,
  { address, nowMs, subject }: {
    readonly address: string;
    readonly nowMs: number;
    readonly subject: string;
  },
  { audit, log, metrics, store }: EnrollPorts,
): Promise<void> {
  const isNew = await store.ask({
    ...{ id, commonName, serial, address },
    expiredAtMs: notAfterMs,
    askedAtMs: nowMs,
  });
  if (!isNew) return;
  audit.write({
    event: "certificate.asked",
    ...{ subject, serial, address, request: id },
  });
  metrics.certificateIssued("pending");
  log.warn("certificate.pending", { name: commonName, address, request: id });
}

/** The same for the same question: it comes again every few minutes. */
async function requestId(serial: string, keyHash: string): Promise<string> {
  const bytes = new TextEncoder().encode(`${serial} ${keyHash}`);
  const hash = await crypto.subtle.digest("SHA-256", bytes);
  return new Uint8Array(hash).toHex().slice(0, 16);
}

function unknown(): Fault {
  return new Fault(
    "certificateUntrusted",
    "Cannot renew certificate: this site's CA has not issued it",
    { hint: "Enrol with a new token" },
  );
}
