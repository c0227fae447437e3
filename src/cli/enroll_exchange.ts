import { chmod, mkdir } from "node:fs/promises";
import { join } from "node:path";
import { enrolledName } from "../policy/enrolled_name.ts";
import type { EnrollToken } from "../policy/enroll_token.ts";
import {
  enrollKey,
  enrollProof,
  type EnrollRequest,
} from "../protocol/enroll_message.ts";
import { Fault } from "../protocol/fault.ts";
import { caPin } from "../runtime/certificate_request.ts";
import { EnrollClient, type Given } from "../runtime/enroll_client.ts";
import {
  createFile,
  errorCode,
  fileFault,
  readText,
} from "../runtime/files.ts";
import { requestFor } from "../runtime/own_request.ts";
import {
  exportSigningKey,
  generateSigningKeys,
} from "../runtime/signing_key.ts";

const ASK_TIMEOUT_MS = 20_000;
const SECRET_MODE = 0o600;
const DIRECTORY_MODE = 0o700;

/** The key of an enrolment that is under way; it outlives a failure. */
const NEW_KEY_NAME = "key.pem.new";

/** Certificates are made an hour before their time, for slow clocks. */
const SKEW_MAX_MS = 60 * 60_000;

/** Whom the gateway's TLS certificate must come from. */
export type EnrollTrust =
  /** The CA of the token's pin, which signs the gateway's too. */
  | { readonly tag: "pin" }
  /** The CAs in this PEM text: a proxy speaks TLS. */
  | { readonly tag: "file"; readonly pem: string }
  /** The public authorities: likewise. */
  | { readonly tag: "public" };

/** What it takes to enrol. */
export interface EnrollWish {
  readonly token: EnrollToken;
  readonly gatewayUrl: string;
  readonly deviceId: number;
  readonly name: string;
  readonly trust: EnrollTrust;
  readonly proxy: string | undefined;
  /** Where the key is kept while it has no certificate yet. */
  readonly folder: string;
}

/** What came of it. */
export interface Enrolled extends Given {
  readonly keyPem: string;
  /** Where {@linkcode keyPem} is until it is stored for good. */
  readonly newKeyFile: string;
}

/**
 * Makes a key, and gets a certificate for it. Nothing that is worth anything
 * is sent before the CA has the token's pin, and the gateway its certificate.
 *
 * @throws {Fault} `gatewayUntrusted` if it has not, `configInvalid` if the
 * clock is wrong, or what the gateway says why not.
 */
export async function exchangeToken(
  wish: EnrollWish,
  signal: AbortSignal,
): Promise<Enrolled> {
  const { deviceId, gatewayUrl, name, proxy, token, trust } = wish;
  let theirMs: number | undefined;
  const client = (ca: string | undefined, insecure: boolean) =>
    new EnrollClient(gatewayUrl, {
      tls: { ca, cert: undefined, key: undefined, insecure },
      proxy,
      timeoutMs: ASK_TIMEOUT_MS,
    }, (dateMs) => void (theirMs = dateMs ?? theirMs));
  const given = trust.tag === "file" ? trust.pem : undefined;
  // Who signs is public, and believed by its pin, not by who says it.
  const offered = await client(given, trust.tag === "pin").offer(signal);
  checkPin(offered, token, gatewayUrl);
  checkClock(theirMs);
  const newKeyFile = join(wish.folder, NEW_KEY_NAME);
  const keyPem = await keyIn(wish.folder, newKeyFile);
  const csr = await requestFor(enrolledName(deviceId), keyPem);
  const request: EnrollRequest = {
    token: token.claims.id,
    proof: await enrollProof(await enrollKey(token.secret), {
      csr,
      device: deviceId,
      name,
    }),
    ...{ device: deviceId, name, csr },
  };
  const ca = trust.tag === "pin" ? offered : given;
  const answer = await client(ca, false).enroll(request, keyPem, signal);
  checkPin(answer.caPem, token, gatewayUrl);
  return { ...answer, keyPem, newKeyFile };
}

function checkPin(caPem: string, token: EnrollToken, gatewayUrl: string): void {
  if (pinOf(caPem) === token.claims.pin) return;
  throw new Fault(
    "gatewayUntrusted",
    `Cannot trust ${new URL(gatewayUrl).host}: its CA is not the one that ` +
      "the token names",
    { hint: "Check the gateway's address, and that the token is of its CA" },
  );
}

/** What is no certificate has no pin. */
function pinOf(caPem: string): string | undefined {
  try {
    return caPin(caPem);
  } catch {
    return undefined; // Then it is not the one that we look for, either.
  }
}

/** A certificate that is not yet valid here, or no more, is of no use. */
function checkClock(theirMs: number | undefined): void {
  if (theirMs === undefined) return;
  const skewMs = Date.now() - theirMs;
  if (Math.abs(skewMs) <= SKEW_MAX_MS) return;
  const side = skewMs < 0 ? "behind" : "ahead of";
  throw new Fault(
    "configInvalid",
    `Cannot enrol: this computer's clock is ${spanOf(skewMs)} ${side} ` +
      "the gateway's",
    { hint: "Set this computer's clock, by NTP for one; the token stays good" },
  );
}

function spanOf(ms: number): string {
  const hours = Math.round(Math.abs(ms) / 3_600_000);
  return hours < 48 ? `${hours} hours` : `${Math.round(hours / 24)} days`;
}

/** The key of an earlier try is as good: the token may be used up for it. */
async function keyIn(folder: string, path: string): Promise<string> {
  try {
    await mkdir(folder, { recursive: true, mode: DIRECTORY_MODE });
    await chmod(folder, DIRECTORY_MODE);
  } catch (error) {
    throw fileFault("make directory", folder, error);
  }
  try {
    return await readText(path, "key");
  } catch (error) {
    const cause = error instanceof Fault ? error.cause : error;
    if (errorCode(cause) !== "ENOENT") throw error;
  }
  const { privateKey } = await generateSigningKeys();
  const keyPem = await exportSigningKey(privateKey);
  await createFile(path, keyPem, SECRET_MODE);
  return keyPem;
}
