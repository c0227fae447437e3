import { X509Certificate } from "node:crypto";
import { statSync } from "node:fs";
import type { AgentConfig } from "../agent/config.ts";
import { bunClock } from "../runtime/bun_clock.ts";
import { IdentityFiles } from "../runtime/identity_files.ts";
import { type Finding, finding } from "./doctor_command.ts";

/** A certificate that ends sooner than this is worth a warning. */
const WARN_DAYS = 30;
const DAY_MS = 86_400_000;

/** Looks at certificate, key and CA as they are on disk. */
export async function checkCertificate(
  config: AgentConfig,
): Promise<Finding[]> {
  const identity = new IdentityFiles(config, false, bunClock);
  let hasPair = false;
  const findings = [
    await finding("certificate", async () => {
      const { cert } = await identity.read();
      hasPair = cert !== undefined;
      return cert === undefined ? noCertificate(config) : datesOf(cert);
    }),
  ];
  const { keyFile } = config;
  const isThere = hasPair || !config.isPairOptional;
  if (keyFile !== undefined && isThere && process.platform !== "win32") {
    findings.push(await finding("key", () => Promise.resolve(keyOf(keyFile))));
  }
  return findings;
}

function noCertificate({ certFile, isPairOptional }: AgentConfig): Finding {
  if (isPairOptional) {
    return {
      check: "certificate",
      result: "WARN",
      detail: `migasfree has made no ${certFile} yet: plain TLS until it does`,
      hint:
        "Run `sudo migasfree sync`, unless the site goes without mutual TLS",
    };
  }
  return {
    check: "certificate",
    result: "FAIL",
    detail: "none is configured: the gateway will not let this computer in",
    hint: "Set cert_file and key_file in agent.toml",
  };
}

function datesOf(cert: string): string | Finding {
  const { subject, validFromDate, validToDate } = new X509Certificate(cert);
  const nowMs = Date.now();
  const leftDays = Math.floor((validToDate.getTime() - nowMs) / DAY_MS);
  const shown = subject.replaceAll("\n", ", ");
  const until = validToDate.toISOString().slice(0, 10);
  if (validFromDate.getTime() > nowMs) {
    const detail = `not valid before ${validFromDate.toISOString()} (${shown})`;
    const hint = "Check this computer's clock";
    return { check: "certificate", result: "FAIL", detail, hint };
  }
  const hint = "Renew the certificate";
  if (leftDays < 0) {
    const detail = `expired on ${until} (${shown})`;
    return { check: "certificate", result: "FAIL", detail, hint };
  }
  const detail = `${shown}, valid until ${until}, ${leftDays} days left`;
  if (leftDays >= WARN_DAYS) return detail;
  return { check: "certificate", result: "WARN", detail, hint };
}

function keyOf(path: string): string | Finding {
  const stat = statSync(path, { throwIfNoEntry: false });
  if (!stat) {
    const hint = "Set key_file to the key that cert_file was made for";
    return {
      check: "key",
      result: "FAIL",
      detail: `${path} is not there`,
      hint,
    };
  }
  const mode = stat.mode & 0o777;
  const text = `${path}, mode ${mode.toString(8).padStart(4, "0")}`;
  if ((mode & 0o077) === 0) return text;
  return {
    check: "key",
    result: "WARN",
    detail: `${text}: others may read it`,
    hint: `Run chmod 600 ${path}`,
  };
}
