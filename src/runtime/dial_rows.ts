import type { FaultCode } from "../protocol/fault.ts";

/** What one kind of failure to dial means. */
export interface DialRow {
  readonly code: FaultCode;
  /** The end of a sentence that begins "Cannot reach host:port: ". */
  readonly fact: string;
  readonly hint: string;
  /** How long to stay away, whatever the code says. */
  readonly retryAfterMs?: number;
  /** Where the TCP connection was to a proxy; undefined: nothing changes. */
  readonly viaProxy?: { readonly code: FaultCode; readonly fact: string };
}

const NETWORK_HINT = "Check the network, the firewall and the address";
const NAME_HINT = "Check the name, and this computer's DNS";
const CLOCK_HINT = "Check this computer's clock, then the certificate there";
const TRUST_HINT = "Name that site's CA certificate with ca_file, or with --ca";
const ASK_HINT = "Ask that site's administrator for a new certificate";
const OURS_HINT = "Check cert_file and key_file, or --cert and --key";

function unreachable(what: string, hint: string): DialRow {
  return {
    code: "gatewayUnreachable",
    fact: `it ${what}`,
    hint,
    viaProxy: { code: "proxyRefused", fact: `the proxy ${what}` },
  };
}

function unresolved(what: string): DialRow {
  return {
    code: "gatewayUnresolved",
    fact: `its name ${what}`,
    hint: NAME_HINT,
    viaProxy: { code: "proxyRefused", fact: `the proxy's name ${what}` },
  };
}

function untrusted(fact: string, hint: string): DialRow {
  return { code: "gatewayUntrusted", fact, hint };
}

function certificateRefused(
  code: FaultCode,
  fact: string,
  hint = OURS_HINT,
): DialRow {
  return { code, fact, hint };
}

const NOT_FOUND = unresolved("does not resolve");
const NO_NAME_SERVER = unresolved(
  "cannot be looked up: no name server answers",
);
const FORBIDDEN = unreachable("may not be dialed from here", NETWORK_HINT);
const NO_NETWORK = unreachable("is behind no network that is up", NETWORK_HINT);

const HUNG_UP: DialRow = {
  code: "gatewayUnreachable",
  fact: "it hung up",
  hint: "Check the port, and that our certificate is accepted there",
  viaProxy: {
    code: "gatewayUnreachable",
    fact: "the proxy, or what is behind it, hung up",
  },
};

const NO_HTTP: DialRow = {
  code: "gatewayRefused",
  fact: "what answers does not speak HTTP",
  hint: "Check the port",
};

const UNKNOWN_CA = untrusted(
  "its certificate is signed by an authority that we do not know",
  TRUST_HINT,
);

const WRONG_NAME = untrusted(
  "its certificate is for another name",
  "Use the name in that certificate, or ask for one with the name you use",
);

/** By error code of the system, of HTTP and of TLS, as Bun 1.4.5 has them. */
export const DIAL_ROWS: Readonly<Record<string, DialRow>> = {
  ENOTFOUND: NOT_FOUND,
  ENODATA: NOT_FOUND,
  EAI_AGAIN: NO_NAME_SERVER,
  ESERVFAIL: NO_NAME_SERVER,
  ETIMEOUT: NO_NAME_SERVER,
  ECONNREFUSED: unreachable(
    "refuses connections",
    "Check the port, and that the program there runs",
  ),
  ETIMEDOUT: unreachable("does not answer", NETWORK_HINT),
  EHOSTUNREACH: unreachable("cannot be reached from here", NETWORK_HINT),
  ENETUNREACH: NO_NETWORK,
  ENETDOWN: NO_NETWORK,
  EADDRNOTAVAIL: NO_NETWORK,
  EACCES: FORBIDDEN,
  EPERM: FORBIDDEN,
  ECONNRESET: HUNG_UP,
  ECONNABORTED: HUNG_UP,
  EPIPE: HUNG_UP,
  EPROTO: {
    code: "gatewayRefused",
    fact: "the TLS handshake failed",
    hint: "Check that the port speaks TLS, and that our certificate is " +
      "accepted there",
  },
  HPE_INVALID_CONSTANT: NO_HTTP,
  HPE_INVALID_VERSION: NO_HTTP,
  HPE_INVALID_STATUS: NO_HTTP,
  "Malformed_HTTP_Response": NO_HTTP,
  InvalidHTTPResponse: NO_HTTP,
  SELF_SIGNED_CERT_IN_CHAIN: UNKNOWN_CA,
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: UNKNOWN_CA,
  UNABLE_TO_GET_ISSUER_CERT: UNKNOWN_CA,
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: UNKNOWN_CA,
  CERT_UNTRUSTED: UNKNOWN_CA,
  CERT_SIGNATURE_FAILURE: UNKNOWN_CA,
  INVALID_CA: UNKNOWN_CA,
  DEPTH_ZERO_SELF_SIGNED_CERT: untrusted(
    "its certificate is signed by nobody but itself",
    TRUST_HINT,
  ),
  CERT_HAS_EXPIRED: untrusted("its certificate has expired", CLOCK_HINT),
  CERT_NOT_YET_VALID: untrusted("its certificate is not valid yet", CLOCK_HINT),
  CERT_REVOKED: untrusted("its certificate was revoked", ASK_HINT),
  INVALID_PURPOSE: untrusted("its certificate is not a server's", ASK_HINT),
  ERR_TLS_CERT_ALTNAME_INVALID: WRONG_NAME,
  HOSTNAME_MISMATCH: WRONG_NAME,
};

/** Codes of {@linkcode DIAL_ROWS} that a CA certificate of ours would mend. */
export const AUTHORITY_CODES: ReadonlySet<string> = new Set(
  Object.entries(DIAL_ROWS).filter(([, { hint }]) => hint === TRUST_HINT)
    .map(([code]) => code),
);

const NOT_ACCEPTED = certificateRefused(
  "certificateUntrusted",
  "it does not accept our certificate",
);

/** By TLS alert (RFC 8446 §6.2): what the server says of our certificate. */
export const ALERT_ROWS: Readonly<Record<number, DialRow>> = {
  42: NOT_ACCEPTED,
  43: NOT_ACCEPTED,
  44: certificateRefused(
    "certificateRevoked",
    "our certificate was revoked",
    ASK_HINT,
  ),
  45: certificateRefused(
    "certificateExpired",
    "our certificate has expired",
    ASK_HINT,
  ),
  46: NOT_ACCEPTED,
  48: certificateRefused(
    "certificateUntrusted",
    "it does not know the authority that signed our certificate",
  ),
  49: certificateRefused("roleRefused", "our certificate may not enter"),
  116: certificateRefused("certificateMissing", "it asks for a certificate"),
};

/** Anything else, a certificate and key that do not match among them. */
export const OTHER_ROW: DialRow = {
  code: "gatewayUnreachable",
  fact: "no connection comes about",
  hint: "Check that cert_file and key_file belong together, then the network",
};
