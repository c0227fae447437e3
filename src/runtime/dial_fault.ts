import { Fault } from "../protocol/fault.ts";
import {
  ALERT_ROWS,
  AUTHORITY_CODES,
  DIAL_ROWS,
  type DialRow,
  OTHER_ROW,
} from "./dial_rows.ts";

/** Where we wanted to go when it failed. */
export interface DialTarget {
  readonly url: string;
  readonly viaProxy: boolean;
}

/** Only a person can mend a wrong password. */
const PASSWORD_RETRY_AFTER_MS = 300_000;

/** BoringSSL's number of its TLS part, and of alert 0 among its reasons. */
const TLS_LIBRARY = 0x10;
const ALERT_REASON_BASE = 1_000;

/**
 * Returns what an error of `fetch` or of a WebSocket handshake means. The
 * sentence names host and port; the error itself is the cause.
 */
export function dialFault(error: unknown, target: DialTarget): Fault {
  if (error instanceof Fault) return error;
  const { code, fact, hint, retryAfterMs } = rowOf(error, target);
  return new Fault(code, `Cannot reach ${hostPort(target.url)}: ${fact}`, {
    hint,
    retryAfterMs,
    cause: error,
  });
}

/**
 * Returns whether the cause of a {@linkcode dialFault} is that nobody whom we
 * believe signed the other side's certificate.
 */
export function isAuthorityUnknown(cause: unknown): boolean {
  const code = property(cause, "code");
  return typeof code === "string" && AUTHORITY_CODES.has(code);
}

/**
 * Returns whether the cause of a {@linkcode dialFault} is that the other side,
 * or what stands there, did not go through with the TLS handshake.
 */
export function isHandshakeRefused(cause: unknown): boolean {
  return property(cause, "code") === "EPROTO";
}

/** Returns `host:port` of `url`, with the port that its scheme implies. */
export function hostPort(url: string): string {
  const { hostname, port, protocol } = new URL(url);
  const implied = protocol === "wss:" || protocol === "https:" ? 443 : 80;
  return `${hostname}:${port || implied}`;
}

function rowOf(error: unknown, target: DialTarget): DialRow {
  const code = property(error, "code");
  const row = typeof code === "string" && Object.hasOwn(DIAL_ROWS, code)
    ? DIAL_ROWS[code]
    : undefined;
  const alert = code === "EPROTO" ? tlsAlert(error) : undefined;
  if (alert !== undefined) {
    return ALERT_ROWS[alert] ??
      { ...row ?? OTHER_ROW, fact: `it refused the TLS handshake (${alert})` };
  }
  if (row) return target.viaProxy ? { ...row, ...row.viaProxy } : row;
  const status = target.viaProxy ? proxyStatus(error) : undefined;
  if (status !== undefined) return proxyRow(status, hostPort(target.url));
  return typeof code === "string"
    ? { ...OTHER_ROW, fact: `${OTHER_ROW.fact} (${code})` }
    : OTHER_ROW;
}

function proxyRow(status: number, place: string): DialRow {
  const code = "proxyRefused";
  if (status === 401 || status === 407) {
    return {
      code,
      fact: `the proxy wants a user and a password (it answered ${status})`,
      hint: "Give the right ones, as http://user:password@host:port",
      // Some directories lock the account of who is wrong too often.
      retryAfterMs: PASSWORD_RETRY_AFTER_MS,
    };
  }
  return status < 500
    ? {
      code,
      fact: `the proxy does not allow it (it answered ${status})`,
      hint: `Ask the proxy's administrator to allow ${place}`,
    }
    : {
      code,
      fact: `the proxy cannot reach it (it answered ${status})`,
      hint: `Check that ${place} is right, and reachable from the proxy`,
    };
}

/**
 * Returns what the server says by a TLS alert, as its number, if it said so.
 * Bun has no property for it: the text of the error begins with OpenSSL's
 * `error:` and eight digits, the library's number and the reason's.
 */
function tlsAlert(error: unknown): number | undefined {
  const text = property(error, "message");
  const [, digits] = /^error:([0-9a-f]{8}):/i.exec(String(text)) ?? [];
  if (digits === undefined) return undefined;
  const packed = parseInt(digits, 16);
  const alert = (packed & 0xfff) - ALERT_REASON_BASE;
  return packed >>> 24 === TLS_LIBRARY && alert >= 0 ? alert : undefined;
}

/**
 * Returns the HTTP status with which a proxy refused CONNECT (RFC 9110
 * §9.3.6). `fetch` has a property for it, a WebSocket only its text; that it
 * was the proxy, and not the other side, is known without either.
 */
function proxyStatus(error: unknown): number | undefined {
  const status = property(error, "status");
  if (typeof status === "number") return status;
  const text = String(property(error, "message"));
  const [, digits] = /: ([1-5][0-9]{2}) /.exec(text) ?? [];
  return digits === undefined ? undefined : Number(digits);
}

function property(error: unknown, name: string): unknown {
  return error instanceof Error ? Reflect.get(error, name) : undefined;
}
