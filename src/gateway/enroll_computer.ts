import type { Clock } from "../base/clock.ts";
import type { Log } from "../base/log.ts";
import { plainText } from "../base/text.ts";
import type { AuditLog } from "../policy/audit.ts";
import type { DeviceStore } from "../policy/device_store.ts";
import type {
  CheckedRequest,
  EnrollStore,
  KnownCertificate,
  TokenRecord,
} from "../policy/enroll_store.ts";
import { computerSubject, enrolledName } from "../policy/enrolled_name.ts";
import { isQuarantined } from "../policy/quarantine.ts";
import { enrollProof, type EnrollRequest } from "../protocol/enroll_message.ts";
import { Fault } from "../protocol/fault.ts";
import { DEVICE_NAME_MAX_CHARS } from "../protocol/limits.ts";
import type { GatewayMetrics } from "./metrics.ts";

/** How long a computer's certificate lives. */
export const ENROLLED_DAYS = 90;

/** What enrolment needs of the gateway. */
export interface EnrollPorts {
  readonly clock: Clock;
  readonly log: Log;
  readonly audit: AuditLog;
  readonly metrics: GatewayMetrics;
  readonly store: EnrollStore;
  readonly devices: Pick<DeviceStore, "find">;
}

/**
 * Gives a computer that has a token its first certificate. The token is used
 * up; the same key may ask again, if the answer was lost.
 *
 * @throws {Fault} `ticketInvalid` about the token, or what it is used for;
 * `deviceBound` if the id is somebody else's; `messageInvalid` about the CSR.
 */
export async function enrollComputer(
  request: EnrollRequest,
  address: string,
  ports: EnrollPorts,
): Promise<KnownCertificate> {
  const { clock, store } = ports;
  const token = await provenToken(request, store);
  if (token.expiresAtMs < clock.wallNow()) {
    const day = new Date(token.expiresAtMs).toISOString();
    throw refused(`the token expired at ${day}`);
  }
  if (token.device !== undefined && token.device !== request.device) {
    throw refused(
      `the token is for device ${token.device}, not for ${request.device}`,
    );
  }
  const csr = await store.readRequest(request.csr);
  const commonName = enrolledName(request.device);
  checkSubject(csr, commonName);
  if (token.use) return await again(token, csr, store);
  await checkBinding(request.device, commonName, token, ports);
  return await use(token, request, { address, commonName, csr }, ports);
}

/** Nobody learns from the refusal whether there is such a token. */
async function provenToken(
  request: EnrollRequest,
  store: EnrollStore,
): Promise<TokenRecord> {
  const token = await store.findToken(request.token);
  const key = Uint8Array.fromHex(token?.key ?? "00".repeat(32));
  const proof = await enrollProof(key, request);
  if (!token || !isSame(proof, request.proof)) {
    throw refused("the token is not known here");
  }
  return token;
}

/** Takes the same time for every wrong one of this length. */
function isSame(one: string, other: string): boolean {
  let difference = one.length ^ other.length;
  for (let at = 0; at < one.length; at++) {
    difference |= one.charCodeAt(at) ^ other.charCodeAt(at);
  }
  return difference === 0;
}

/** The gateway decides on the name; who asks for another one is told. */
function checkSubject({ subject }: CheckedRequest, commonName: string): void {
  const [first, ...others] = subject;
  if (!first) return;
  const [type, value] = first;
  if (others.length === 0 && type === "CN" && value === commonName) return;
  const asked = plainText(subject.map((it) => it.join("=")).join(), 64);
  throw refused(`the request is for ${asked}, the computer is ${commonName}`);
}

async function again(
  { use }: TokenRecord,
  csr: CheckedRequest,
  store: EnrollStore,
): Promise<KnownCertificate> {
  if (use && use.keyHash === csr.keyHash) {
    const issued = await store.issuedTo(use.commonName);
    const same = issued.find(({ serial }) => serial === use.serial);
    if (same) return same;
  }
  throw refused("the token was used before");
}

/** A token for a device says more than who held the id; one for any does not. */
async function checkBinding(
  deviceId: number,
  commonName: string,
  token: TokenRecord,
  { devices, store }: EnrollPorts,
): Promise<void> {
  const bound = await devices.find(deviceId);
  if (!bound) return;
  const subject = computerSubject(await store.site(), commonName);
  if (bound.subject === subject && token.device !== undefined) return;
  const isKept = isQuarantined(bound.subject);
  const fact = isKept ? "it is quarantined" : "it is bound already";
  const hint = bound.subject === subject
    ? `Make a token with \`pki token --device ${deviceId}\``
    : `Run \`migasfree-agent gateway release ${deviceId}\` there first`;
  throw new Fault("deviceBound", `Cannot enrol device ${deviceId}: ${fact}`, {
    hint,
  });
}

async function use(
  token: TokenRecord,
  request: EnrollRequest,
  { address, commonName, csr }: {
    readonly address: string;
    readonly commonName: string;
    readonly csr: CheckedRequest;
  },
  { audit, log, metrics, store }: EnrollPorts,
): Promise<KnownCertificate> {
  const isFree = await store.reserve(commonName);
  if (!isFree && token.device === undefined) {
    throw new Fault(
      "deviceBound",
      `Cannot enrol device ${request.device}: it has enrolled before`,
      { hint: `Make a token with \`pki token --device ${request.device}\`` },
    );
  }
  if (!await store.takeToken(token.id)) {
    if (isFree) await store.unreserve(commonName);
    throw refused("the token was used before");
  }
  const issued = await store.issue(request.csr, commonName, ENROLLED_DAYS);
  const { serial } = issued;
  await store.noteUse(token, { keyHash: csr.keyHash, commonName, serial });
  const name = plainText(request.name, DEVICE_NAME_MAX_CHARS);
  audit.write({
    event: "device.enrolled",
    deviceId: request.device,
    name,
    subject: computerSubject(await store.site(), commonName),
    serial,
    address,
    token: token.id,
  });
  metrics.certificateIssued("enrolled");
  log.info("device.enrolled", {
    device: request.device,
    name,
    address,
    serial,
  });
  return issued;
}

function refused(fact: string): Fault {
  return new Fault("ticketInvalid", `Cannot enrol: ${fact}`, {
    hint: "Make a new token with `migasfree-agent pki token`",
  });
}
