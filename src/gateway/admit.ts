import { plainText } from "../base/text.ts";
import {
  parseDn,
  type Principal,
  principalOf,
  subjectAttributes,
} from "../policy/identity.ts";
import { Fault } from "../protocol/fault.ts";
import type { Caller, PeerCertificate } from "../transport/visitor.ts";
import { nobody } from "./nobody.ts";

/** How the gateway learns who calls. */
export type IdentitySource =
  /** This process speaks mutual TLS and sees the certificate. */
  | { readonly tag: "certificate" }
  /** A TLS proxy passes the subject on in a header. */
  | {
    readonly tag: "header";
    readonly name: string;
    readonly trusts: (address: string) => boolean;
    /**
     * Who is an operator without any header: the site's own programs.
     * Undefined: nobody.
     */
    readonly isInternal?: (address: string) => boolean;
  };

export interface AdmitPorts {
  readonly source: IdentitySource;
  readonly isRevoked: (certificate: Uint8Array) => boolean;
  readonly wallNow: () => number;
  /** Whether who shows no certificate is let in as what it says it is. */
  readonly servesNobody?: boolean;
}

/** Somebody whose identity is established. */
export interface Admitted {
  readonly principal: Principal;
  /** Where the caller is, seen past a trusted proxy. */
  readonly address: string;
  /** Undefined behind a proxy, which alone has seen it. */
  readonly certificate: PeerCertificate | undefined;
  /** True: another gateway let it in, and has carried its link here. */
  readonly isForwarded?: boolean;
  /** True: it has shown no certificate, and nothing of it is known. */
  readonly isNobody?: boolean;
}

const SUBJECT_MAX_CHARS = 256;

/** What a proxy adds to what it passes on: nobody comes directly with these. */
const PROXY_HEADERS = ["x-forwarded-for", "forwarded", "via"];

/** The name of the site's own programs, for audit and agents. */
const INTERNAL_NAME = "manager";

/**
 * Establishes who `caller` is.
 *
 * @param role What it wants to be, for those that show no certificate.
 * @throws {Fault} `certificateMissing`, `certificateUntrusted`,
 * `certificateExpired`, `certificateRevoked`, `roleRefused`, `identityForged`.
 */
export function admit(
  caller: Caller,
  ports: AdmitPorts,
  role: Principal["role"] = "operator",
): Admitted {
  const { source } = ports;
  const internal = source.tag === "header" && internalOperator(caller, source);
  if (internal) return internal;
  if (ports.servesNobody && isBare(caller, source)) {
    return nobody(addressOf(caller, source), role, agentId(caller));
  }
  return source.tag === "certificate"
    ? admitByCertificate(caller, ports)
    : admitByHeader(caller, source);
}

/** Whether a caller whom we would believe shows no certificate. */
function isBare(caller: Caller, source: IdentitySource): boolean {
  return source.tag === "certificate"
    ? caller.certificate === undefined
    : !caller.header(source.name) && source.trusts(caller.peerAddress);
}

/** The device that an agent says it is, or an operator wants. */
function agentId(caller: Caller): number | undefined {
  const digits = /^[0-9]{1,10}$/.exec(caller.header("x-agent-id") ?? "")?.[0];
  return digits === undefined ? undefined : Number(digits);
}

/** @returns Undefined if it has come through any proxy, or from outside. */
function internalOperator(
  caller: Caller,
  source: Extract<IdentitySource, { tag: "header" }>,
): Admitted | undefined {
  // Empty means that the TLS proxy has set it, and has seen no certificate.
  if (caller.header(source.name) !== undefined) return undefined;
  if (PROXY_HEADERS.some((name) => caller.header(name) !== undefined)) {
    return undefined;
  }
  const address = caller.peerAddress;
  if (!source.isInternal?.(address)) return undefined;
  const principal: Principal = {
    role: "operator",
    name: INTERNAL_NAME,
    subject: `internal: ${INTERNAL_NAME}`,
  };
  return { principal, address, certificate: undefined };
}

/** Throws `roleRefused` unless `admitted` has `role`. */
export function needRole(admitted: Admitted, role: Principal["role"]): void {
  const { principal } = admitted;
  if (principal.role === role) return;
  const unit = role === "agent" ? "COMPUTERS" : "ADMINS";
  throw new Fault(
    "roleRefused",
    `Cannot enter as ${role}: the certificate is an ${principal.role}'s`,
    { hint: `Use a certificate with OU=${unit}` },
  );
}

/** Where `caller` is, for quotas and logs, whoever it may be. */
export function addressOf(caller: Caller, source: IdentitySource): string {
  if (source.tag !== "header" || !source.trusts(caller.peerAddress)) {
    return caller.peerAddress;
  }
  // Each proxy appends whom it saw: the last is what the trusted one saw.
  const forwarded = caller.header("x-forwarded-for")?.split(",").at(-1)?.trim();
  return forwarded ? plainText(forwarded, 64) : caller.peerAddress;
}

/** Throws if the certificate is no longer good; for links that stay open. */
export function checkStillValid(
  certificate: Pick<PeerCertificate, "notAfterMs" | "raw">,
  ports: AdmitPorts,
): void {
  if (ports.isRevoked(certificate.raw)) {
    throw new Fault(
      "certificateRevoked",
      "Cannot trust certificate: it was revoked",
      { hint: "Ask for a new certificate" },
    );
  }
  if (certificate.notAfterMs < ports.wallNow()) {
    const days = Math.floor(
      (ports.wallNow() - certificate.notAfterMs) / 86_400_000,
    );
    throw new Fault(
      "certificateExpired",
      `Cannot trust certificate: it expired ${days} days ago`,
      { hint: "Renew the certificate" },
    );
  }
}

function admitByCertificate(caller: Caller, ports: AdmitPorts): Admitted {
  const { certificate } = caller;
  if (!certificate) throw missing("Show one that the gateway's CA signed");
  if (certificate.rejection === "CERT_HAS_EXPIRED") {
    checkStillValid(certificate, ports);
  }
  if (certificate.rejection !== undefined) {
    const why = plainText(certificate.rejection, 64);
    throw new Fault(
      "certificateUntrusted",
      `Cannot trust certificate: ${why}`,
      { hint: "Use a certificate that the gateway's CA signed" },
    );
  }
  checkStillValid(certificate, ports);
  const principal = principalOf(subjectAttributes(certificate.subject));
  return { principal, address: caller.peerAddress, certificate };
}

function admitByHeader(
  caller: Caller,
  source: Extract<IdentitySource, { tag: "header" }>,
): Admitted {
  const subject = caller.header(source.name);
  if (!source.trusts(caller.peerAddress)) {
    if (subject) {
      throw new Fault(
        "identityForged",
        `Cannot believe ${source.name} from ${caller.peerAddress}`,
        { hint: "Connect through the TLS proxy; or trust this address" },
      );
    }
    throw missing("Connect through the TLS proxy");
  }
  if (!subject) {
    throw missing(
      "Show a certificate to the TLS proxy; or, where there are none, set " +
        "[insecure] serve_without_certificates",
    );
  }
  if (subject.length > SUBJECT_MAX_CHARS * 16) {
    throw new Fault("certificateUntrusted", "Cannot read an endless subject");
  }
  const principal = principalOf(parseDn(subject));
  const address = addressOf(caller, source);
  return { principal, address, certificate: undefined };
}

function missing(hint: string): Fault {
  return new Fault("certificateMissing", "Cannot enter without a certificate", {
    hint,
  });
}
