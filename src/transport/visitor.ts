import type { Fault } from "../protocol/fault.ts";
import type { Link } from "./link.ts";

/** What a TLS server knows of the certificate that its peer showed. */
export interface PeerCertificate {
  /** Attributes of the subject, as node:tls names them. */
  readonly subject: Readonly<Record<string, string | readonly string[]>>;
  /** Why the chain was not accepted, as OpenSSL's code; undefined: it was. */
  readonly rejection: string | undefined;
  /** The certificate itself, DER. */
  readonly raw: Uint8Array;
  /** End of validity, milliseconds since 1970. */
  readonly notAfterMs: number;
}

/** Who is at the door, before anything is believed of it. */
export interface Caller {
  /** IP address of the TCP peer. */
  readonly peerAddress: string;
  /** Undefined without TLS, or if the peer showed none. */
  readonly certificate: PeerCertificate | undefined;
  /** Value of a request header, in any case; undefined if absent. */
  readonly header: (name: string) => string | undefined;
}

/** A WebSocket handshake that waits for an answer. */
export interface Visitor extends Caller {
  /** Path without the query. */
  readonly path: string;
  readonly query: URLSearchParams;
  /** Subprotocols offered, in the caller's order (RFC 6455 §4.1). */
  readonly subprotocols: readonly string[];

  /**
   * Completes the handshake.
   *
   * @param subprotocol Undefined: none is selected, which is protocol 1; the
   * link then takes messages up to V1_MESSAGE_MAX_BYTES.
   * @throws {Fault} `linkLost` if the caller has left.
   */
  readonly accept: (subprotocol: string | undefined) => Promise<Link>;

  /** Answers the handshake with an HTTP status and the fault as JSON. */
  readonly refuse: (status: number, fault: Fault) => void;
}
