import { X509Certificate } from "node:crypto";
import { mkdir } from "node:fs/promises";
import { dirname } from "node:path";
import type { AgentConfig } from "../agent/config.ts";
import type { RenewOutcome } from "../agent/renew.ts";
import type { Log } from "../base/log.ts";
import { Fault, type FaultCode } from "../protocol/fault.ts";
import { bunClock } from "../runtime/bun_clock.ts";
import { commonNameOf } from "../runtime/common_name.ts";
import { EnrollClient, type RenewAnswer } from "../runtime/enroll_client.ts";
import { fileFault, writeFileAtomically } from "../runtime/files.ts";
import { requestFor } from "../runtime/own_request.ts";
import { proxyFor } from "../runtime/proxy.ts";
import type { TlsMaterial } from "../runtime/ws_dial.ts";
import type { RenewalParts } from "./agent_renewal.ts";

const ASK_TIMEOUT_MS = 20_000;
const PUBLIC_MODE = 0o644;
const DIRECTORY_MODE = 0o750;

/** Certificates are made an hour before their time, for slow clocks. */
const SKEW_WARN_MS = 60 * 60_000;

/** What a proxy's refusal of a certificate in the handshake looks like. */
const CUT_OFF_CODES: ReadonlySet<FaultCode> = new Set<FaultCode>([
  "certificateExpired",
  "gatewayRefused",
  "gatewayUnreachable",
]);

/**
 * Asks the gateway for the next certificate, and stores it in `renewedFile`.
 *
 * Loaded when one is due: what it needs is 1.2 MB of an agent's memory.
 *
 * @throws {Fault} Why there is none.
 */
export async function renewCertificate(
  renewedFile: string,
  config: AgentConfig,
  parts: RenewalParts,
  log: Log,
  signal: AbortSignal,
): Promise<RenewOutcome> {
  const tls = await parts.read();
  const { cert, key } = tls;
  if (cert === undefined || key === undefined) {
    throw new Fault("configInvalid", "Cannot renew: there is no certificate", {
      hint: "Set cert_file and key_file in agent.toml",
    });
  }
  const gatewayUrl = await parts.findGateway(signal);
  const question = {
    csr: await requestFor(commonNameOf(cert) ?? "", key),
    certificate: cert,
  };
  const ask = (shown: TlsMaterial) =>
    new EnrollClient(gatewayUrl, {
      tls: shown,
      proxy: proxyFor(gatewayUrl, config.proxy, process.env),
      timeoutMs: ASK_TIMEOUT_MS,
    }, (dateMs) => warnOfSkew(dateMs, log)).renew(question, key, signal);
  const answer = await askEvenExpired(ask, tls);
  if (answer.tag === "pending") return answer;
  const { certPem, notAfterMs } = answer;
  const now = new X509Certificate(cert);
  if (notAfterMs <= now.validToDate.getTime()) return { tag: "unchanged" };
  checkSubject(new X509Certificate(certPem), now);
  await store(renewedFile, certPem);
  return { tag: "renewed", notAfterMs };
}

/** A TLS proxy may not even talk to whoever shows one that has expired. */
async function askEvenExpired(
  ask: (shown: TlsMaterial) => Promise<RenewAnswer>,
  tls: TlsMaterial,
): Promise<RenewAnswer> {
  try {
    return await ask(tls);
  } catch (error) {
    const isOver = new X509Certificate(tls.cert ?? "").validToDate.getTime() <
      bunClock.wallNow();
    // `fetch` does not tell the alert of a handshake from any other end of it.
    if (!isOver || !CUT_OFF_CODES.has(Fault.from(error).code)) throw error;
    return await ask({ ...tls, cert: undefined, key: undefined });
  }
}

/** The device id is bound to it: docs/adr/0007. */
function checkSubject(next: X509Certificate, now: X509Certificate): void {
  if (next.subject === now.subject) return;
  throw new Fault(
    "messageInvalid",
    "Cannot use the new certificate: it is for another name",
    { hint: "Look at the gateway's CA" },
  );
}

async function store(path: string, certPem: string): Promise<void> {
  const folder = dirname(path);
  try {
    await mkdir(folder, { recursive: true, mode: DIRECTORY_MODE });
  } catch (error) {
    throw fileFault("make directory", folder, error);
  }
  await writeFileAtomically(path, certPem, PUBLIC_MODE);
}

function warnOfSkew(dateMs: number | undefined, log: Log): void {
  if (dateMs === undefined) return;
  const skewMs = Math.round(bunClock.wallNow() - dateMs);
  if (Math.abs(skewMs) < SKEW_WARN_MS) return;
  const warning = "this computer's clock differs from the gateway's: set it";
  log.warn("clock.wrong", { skewMs, warning });
}
