import { isIP } from "node:net";
import { plainText } from "../base/text.ts";
import { Fault } from "../protocol/fault.ts";
import {
  initPki,
  issuedRoles,
  issuePkiCertificate,
  type PkiFiles,
  type PkiRole,
  renewPkiCrl,
  revokePkiCertificates,
} from "../runtime/pki_directory.ts";
import type { Output } from "./output.ts";

/** The longest that Apple's verifiers accept of a server's certificate. */
const DAYS_DEFAULT = 825;
/** migasfree's longest: twenty years. */
const DAYS_MAX = 7305;

/** Names and addresses that one gateway's certificate may have. */
const HOSTS_MAX_COUNT = 32;
/** RFC 1035 §2.3.4, in text. */
const HOST_MAX_CHARS = 253;
const HOST_REGEXP =
  /^(?!-)[a-z0-9-]{1,63}(?<!-)(?:\.(?!-)[a-z0-9-]{1,63}(?<!-))*$/;

/** A name is a folder and a CN (at most 64 characters, RFC 5280 §A.1). */
const NAME_REGEXP = /^[A-Za-z0-9_@-][A-Za-z0-9._@-]{0,63}$/;

/** Flags as the command line gives them. */
type Flags = Readonly<Record<string, unknown>>;

export interface PkiInitRequest {
  readonly dir: string;
  /** The gateway's names and addresses; the first is the site's. */
  readonly hosts: readonly string[];
  /** Validity of the gateway's certificate. */
  readonly days?: number | undefined;
}

export interface PkiIssueRequest {
  readonly dir: string;
  readonly name: string;
  readonly days?: number | undefined;
}

export interface PkiRevokeRequest {
  readonly dir: string;
  readonly name: string;
  /** Needed if a computer and an operator have the same name. */
  readonly role?: PkiRole | undefined;
}

/**
 * Makes a CA and the gateway's certificate.
 *
 * @throws {Fault} `usageInvalid` for a host or a number of days that cannot
 * be, `configInvalid` if the directory cannot be used.
 */
export async function runPkiInit(request: PkiInitRequest): Promise<PkiFiles> {
  const hosts = request.hosts.map((host) => host.toLowerCase());
  const [first, ...others] = new Set(hosts);
  if (first === undefined || hosts.length > HOSTS_MAX_COUNT) {
    throw usage(
      `${hosts.length} hosts were given`,
      `Name from 1 to ${HOSTS_MAX_COUNT} hosts with --host`,
    );
  }
  for (const host of hosts) checkHost(host);
  return await initPki(request.dir, [first, ...others], daysOf(request));
}

/**
 * Makes a computer's certificate.
 *
 * @throws {Fault} `usageInvalid` for a name or a number of days that cannot
 * be, `configInvalid` if the directory cannot be used or has the name already.
 */
export async function runPkiComputer(
  request: PkiIssueRequest,
): Promise<PkiFiles> {
  const { dir, name } = request;
  checkName(name);
  return await issuePkiCertificate(dir, "computer", name, daysOf(request));
}

/**
 * Makes an operator's certificate.
 *
 * @throws {Fault} As {@linkcode runPkiComputer}.
 */
export async function runPkiOperator(
  request: PkiIssueRequest,
): Promise<PkiFiles> {
  const { dir, name } = request;
  checkName(name);
  return await issuePkiCertificate(dir, "operator", name, daysOf(request));
}

/**
 * Revokes all certificates of a name, and writes the CRL anew.
 *
 * @throws {Fault} `usageInvalid` if nobody, or both a computer and an
 * operator, ever had a certificate of that name; `configInvalid` if the
 * directory cannot be used.
 */
export async function runPkiRevoke(
  request: PkiRevokeRequest,
): Promise<PkiFiles> {
  const { dir, name } = request;
  checkName(name);
  const issued = await issuedRoles(dir, name);
  const roles = issued.filter((role) => role === (request.role ?? role));
  const [role] = roles;
  if (role === undefined) {
    throw usage(
      `no ${request.role ?? "certificate"} ${name} was issued in ${dir}`,
      "Name a folder of computers/ or operators/, and the CA's directory",
    );
  }
  if (roles.length > 1) {
    throw usage(
      `a computer and an operator are called ${name}`,
      "Say which with --role computer or --role operator",
    );
  }
  return await revokePkiCertificates(dir, role, name);
}

/**
 * Writes the CRL anew, good for another 30 days.
 *
 * @throws {Fault} `configInvalid` if the directory cannot be used.
 */
export async function runPkiCrl(
  request: { readonly dir: string },
): Promise<PkiFiles> {
  return await renewPkiCrl(request.dir, []);
}

/** `pki init`. Returns the exit status. */
export async function pkiInit(
  dir: string,
  flags: Flags,
  output: Output,
): Promise<number> {
  const hosts = Array.isArray(flags["host"]) ? flags["host"].map(String) : [];
  const files = await runPkiInit({ dir, hosts, days: daysFlag(flags) });
  return answerFiles(files, flags, output);
}

/** `pki computer` and `pki operator`. Returns the exit status. */
export async function pkiIssue(
  role: PkiRole,
  dir: string,
  name: string,
  flags: Flags,
  output: Output,
): Promise<number> {
  const run = role === "computer" ? runPkiComputer : runPkiOperator;
  const files = await run({ dir, name, days: daysFlag(flags) });
  return answerFiles(files, flags, output);
}

/** `pki revoke`. Returns the exit status. */
export async function pkiRevoke(
  dir: string,
  name: string,
  flags: Flags,
  output: Output,
): Promise<number> {
  const role = roleFlag(flags);
  const files = await runPkiRevoke({ dir, name, role });
  return answerFiles(files, flags, output);
}

/** `pki crl`. Returns the exit status. */
export async function pkiCrl(
  dir: string,
  flags: Flags,
  output: Output,
): Promise<number> {
  return answerFiles(await runPkiCrl({ dir }), flags, output);
}

/** Lines that can be pasted into a TOML file, or JSON. */
function answerFiles(files: PkiFiles, flags: Flags, output: Output): number {
  if (flags["json"]) {
    output.answer(JSON.stringify(files));
    return 0;
  }
  for (const [key, path] of Object.entries(files)) {
    // A JSON string is a TOML basic string, but for DEL (TOML 1.0, String).
    const text = JSON.stringify(path).replaceAll("\x7f", "\\u007f");
    output.answer(`${key} = ${text}`);
  }
  return 0;
}

function daysFlag(flags: Flags): number | undefined {
  const { days } = flags;
  if (days === undefined) return undefined;
  const text = String(days);
  if (/^[0-9]{1,9}$/.test(text)) return Number(text);
  throw usage(
    `${plainText(text, 64)} is no number of days`,
    `Give a whole number from 1 to ${DAYS_MAX} with --days`,
  );
}

function roleFlag({ role }: Flags): PkiRole | undefined {
  if (role === undefined || role === "computer" || role === "operator") {
    return role;
  }
  throw usage(
    `there is no role ${plainText(String(role), 64)}`,
    "Say --role computer or --role operator",
  );
}

function daysOf(
  { days = DAYS_DEFAULT }: { days?: number | undefined },
): number {
  if (Number.isInteger(days) && days >= 1 && days <= DAYS_MAX) return days;
  throw usage(
    `a certificate cannot be good for ${days} days`,
    `Give a whole number from 1 to ${DAYS_MAX} with --days`,
  );
}

function checkHost(host: string): void {
  if (isIP(host) && !host.includes("%")) return;
  // What looks like an address and is none must not become a name.
  const isName = host.length <= HOST_MAX_CHARS && HOST_REGEXP.test(host) &&
    !/(?:^|\.)\d+$/.test(host);
  if (isName) return;
  throw usage(
    `${plainText(host, 64)} is no host name or address`,
    "Give a DNS name without wildcard, or an address without port",
  );
}

function checkName(name: string): void {
  if (NAME_REGEXP.test(name)) return;
  throw usage(
    `${plainText(name, 80)} cannot be the name of a certificate`,
    "Use 1 to 64 of A-Z a-z 0-9 . _ @ -, and no dot first",
  );
}

function usage(fact: string, hint: string): Fault {
  return new Fault("usageInvalid", `Cannot run pki: ${fact}`, { hint });
}
