import type { AgentConfig } from "../agent/config.ts";
import { type CertificateDates, runRenewal } from "../agent/renew.ts";
import type { Log } from "../base/log.ts";
import type { Scope } from "../base/scope.ts";
import { bunClock } from "../runtime/bun_clock.ts";
import { certificateDates } from "../runtime/identity_files.ts";
import type { TlsMaterial } from "../runtime/ws_dial.ts";

/** What renewing needs of the agent that runs. */
export interface RenewalParts {
  /** What is on disk now. @throws {Fault} */
  readonly read: () => Promise<TlsMaterial>;
  /** Where its gateway is. @throws {Fault} */
  readonly findGateway: (signal: AbortSignal) => Promise<string>;
  /** Resolves when somebody wants it to look again at once. */
  readonly woken: () => Promise<void>;
}

/** Renews the certificate as long as `scope` lasts, if it is ours to renew. */
export function startRenewal(
  scope: Scope,
  config: AgentConfig,
  parts: RenewalParts,
  log: Log,
): void {
  const { renewedFile } = config;
  if (renewedFile === undefined) return;
  scope.go((signal) =>
    runRenewal({
      clock: bunClock,
      log,
      random: Math.random,
      dates: () => datesOf(parts),
      ask: async (signal) => {
        const { renewCertificate } = await import("./agent_certificate.ts");
        return await renewCertificate(renewedFile, config, parts, log, signal);
      },
      woken: parts.woken,
    }, signal)
  );
}

/** What cannot be read is said by whoever dials with it. */
async function datesOf(
  { read }: RenewalParts,
): Promise<CertificateDates | undefined> {
  try {
    const { cert } = await read();
    return cert === undefined ? undefined : certificateDates(cert);
  } catch {
    return undefined; // There is nothing to renew until it is mended.
  }
}
