import type { Log } from "../base/log.ts";
import type { AdmitPorts } from "../gateway/admit.ts";
import type { GatewayConfig } from "../gateway/config.ts";
import { isInRanges } from "../protocol/ip_range.ts";
import { bunClock } from "../runtime/bun_clock.ts";
import { fileChange, fileStamp } from "../runtime/file_watch.ts";
import { readText } from "../runtime/files.ts";
import {
  loadRevocationList,
  type RevocationList,
} from "../runtime/revocation_list.ts";
import type { ServerTls } from "../runtime/raw_listener.ts";

type TlsFiles = Extract<GatewayConfig["door"], { tag: "tls" }>;

/** What a gateway that speaks TLS itself reads from disk, and reads again. */
export interface GatewayIdentity {
  readonly ports: AdmitPorts;
  /** Undefined behind a proxy. */
  readonly tls: ServerTls | undefined;
  /** Reads the files again soon, whether they have changed or not. */
  readonly nudge: () => void;
  /**
   * Reads the files again whenever they change, or `nudge` says so, until
   * `signal` aborts. What cannot be read leaves what was there in force.
   *
   * @throws `signal.reason`
   */
  readonly watch: (
    reloaded: (tls: ServerTls) => void,
    log: Log,
    signal: AbortSignal,
  ) => Promise<never>;
}

/**
 * Reads certificate, key, client CA and CRLs as `config` names them.
 *
 * @throws {Fault} `configInvalid`.
 */
export async function openIdentity(
  config: GatewayConfig,
): Promise<GatewayIdentity> {
  const { door } = config;
  if (door.tag === "behindProxy") {
    const { identityHeader, internalOperators, trusted } = door;
    return {
      tls: undefined,
      nudge: () => undefined,
      ports: {
        source: {
          tag: "header",
          name: identityHeader,
          trusts: (address) => isInRanges(address, trusted),
          isInternal: (address) => isInRanges(address, internalOperators),
        },
        servesNobody: config.servesNobody,
        isRevoked: () => false,
        wallNow: bunClock.wallNow,
      },
      watch: (_reloaded, _log, signal) => untilAborted(signal),
    };
  }
  return await openCertificates(door, config.servesNobody);
}

async function openCertificates(
  files: TlsFiles,
  servesNobody: boolean,
): Promise<GatewayIdentity> {
  const paths = [
    ...[files.certFile, files.keyFile, files.clientCaFile],
    ...files.crlFiles,
  ];
  let stamps = paths.map(fileStamp).join();
  let current = await readAll(files);
  return {
    tls: current.tls,
    // No file has this stamp: it counts as a change at the next look.
    nudge: () => void (stamps = "nudged"),
    ports: {
      source: { tag: "certificate" },
      servesNobody,
      isRevoked: (certificate) => current.revocations.isRevoked(certificate),
      wallNow: bunClock.wallNow,
    },
    watch: async (reloaded, log, signal) => {
      warnIfStale(current.revocations, log);
      for (;;) {
        await fileChange(paths, () => stamps, bunClock, signal);
        stamps = paths.map(fileStamp).join();
        try {
          current = await readAll(files);
        } catch (error) {
          log.error("identity.unreadable", {}, error);
          continue;
        }
        const revoked = current.revocations.revokedCount;
        log.info("identity.reloaded", { revoked });
        warnIfStale(current.revocations, log);
        reloaded(current.tls);
      }
    },
  };
}

async function readAll(files: TlsFiles) {
  const [cert, key, clientCa] = await Promise.all([
    readText(files.certFile, "gateway certificate"),
    readText(files.keyFile, "gateway key"),
    readText(files.clientCaFile, "client CA"),
  ]);
  const revocations = await loadRevocationList(files.crlFiles, clientCa);
  return { tls: { cert, key, clientCa }, revocations };
}

function warnIfStale(revocations: RevocationList, log: Log): void {
  const { nextUpdateMs } = revocations;
  if (nextUpdateMs === undefined || nextUpdateMs > bunClock.wallNow()) return;
  const due = new Date(nextUpdateMs).toISOString();
  log.warn("identity.stale", { due, warning: "the CRL is overdue" });
}

function untilAborted(signal: AbortSignal): Promise<never> {
  return new Promise((_resolve, reject) => {
    if (signal.aborted) return reject(signal.reason);
    signal.addEventListener("abort", () => reject(signal.reason), {
      once: true,
    });
  });
}
