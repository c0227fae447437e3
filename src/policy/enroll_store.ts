/** What a token is worth, as the directory of the CA has it. */
export interface TokenRecord {
  readonly id: string;
  /** SHA-256 of its secret, hex. */
  readonly key: string;
  /** The one device that it is good for; undefined: any that is free. */
  readonly device?: number | undefined;
  /** Milliseconds since 1970. */
  readonly expiresAtMs: number;
  /** Undefined: it was not used yet. */
  readonly use?: TokenUse | undefined;
}

/** For what a token was used. */
export interface TokenUse {
  /** SHA-256 of the public key that it was used for, hex. */
  readonly keyHash: string;
  readonly commonName: string;
  /** Lower-case hexadecimal. */
  readonly serial: string;
}

/** A request for a certificate whose signature was checked. */
export interface CheckedRequest {
  /** SHA-256 of its public key, hex. */
  readonly keyHash: string;
  /** Attributes of its subject: type and value. */
  readonly subject: readonly (readonly [type: string, value: string])[];
}

/** A certificate that the CA has issued, and remembers. */
export interface KnownCertificate {
  readonly commonName: string;
  /** Lower-case hexadecimal. */
  readonly serial: string;
  /** SHA-256 of its public key, hex. */
  readonly keyHash: string;
  readonly pem: string;
  readonly raw: Uint8Array;
  /** Milliseconds since 1970, as the next one. */
  readonly notBeforeMs: number;
  readonly notAfterMs: number;
}

/** A computer whose certificate has expired wants the next one. */
export interface PendingRenewal {
  /** 16 hexadecimal digits: which certificate, and which key. */
  readonly id: string;
  readonly commonName: string;
  readonly serial: string;
  /** Where it asked from, first. */
  readonly address: string;
  /** Milliseconds since 1970, as the next one. */
  readonly expiredAtMs: number;
  readonly askedAtMs: number;
}

/**
 * A small CA, and who may have a certificate of it. Several processes, on
 * several machines even, may use one directory at once.
 *
 * Each method throws a fault `configInvalid` if the directory cannot be used.
 */
export interface EnrollStore {
  /** The CA's certificate, PEM. */
  caPem(): Promise<string>;

  /** The O of the subjects that it issues. */
  site(): Promise<string>;

  findToken(id: string): Promise<TokenRecord | undefined>;

  /** Uses a token up. Returns false if somebody else was faster. Atomic. */
  takeToken(id: string): Promise<boolean>;

  /** Remembers for what a token was used, so that a lost answer can be given again. */
  noteUse(token: TokenRecord, use: TokenUse): Promise<void>;

  /** @throws {Fault} `messageInvalid` if it is broken, or signed by another key. */
  readRequest(csrPem: string): Promise<CheckedRequest>;

  /**
   * Reserves a name that never had a certificate. Returns false if it had
   * one, or somebody else has it reserved. Atomic.
   */
  reserve(commonName: string): Promise<boolean>;

  /** Gives up what {@linkcode reserve} reserved. */
  unreserve(commonName: string): Promise<void>;

  /** Issues a certificate for a computer; it is remembered before it is told. */
  issue(
    csrPem: string,
    commonName: string,
    dayCount: number,
  ): Promise<KnownCertificate>;

  /** All that a computer's name ever had, the one that ends last first. */
  issuedTo(commonName: string): Promise<KnownCertificate[]>;

  /** Finds a certificate that was issued to a computer; undefined: not by us. */
  recall(pem: string): Promise<KnownCertificate | undefined>;

  /** Whether the CA's own list names it, however old the gateway's copy is. */
  isRevoked(known: KnownCertificate): Promise<boolean>;

  /** Puts a request before whoever decides. Returns false if it was there. */
  ask(pending: PendingRenewal): Promise<boolean>;

  /** Uses an approval up. Returns false if there is none. Atomic. */
  takeApproval(id: string): Promise<boolean>;
}
