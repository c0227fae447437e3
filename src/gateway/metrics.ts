import type { DetachNews } from "../protocol/control.ts";
import { type FaultCode, FAULTS } from "../protocol/fault.ts";
import { Counter } from "./counter.ts";
import { Histogram } from "./histogram.ts";
import { metricFamily } from "./metric_family.ts";

/** Which program this is. */
export interface BuildInfo {
  readonly version: string;
  readonly commit: string;
}

/** What is looked up when the page is asked for. */
export interface GatewayReadings {
  /** Control links that were welcomed and have not ended. */
  readonly agentsConnected: number;
  /** Those of them that speak protocol 1. */
  readonly v1AgentsConnected: number;
  /** Whether who shows no certificate is served. */
  readonly isInsecure: boolean;
  /** Memory of the process that is in RAM. */
  readonly residentBytes: number;
}

/** A service of another name is `other`: operators may ask for any. */
const SERVICES = ["ssh", "vnc", "rdp", "exec"];

/** Ours to choose: from a LAN to the longest wait, OPEN_TIMEOUT_MS. */
const OPEN_BOUNDS_SECONDS = [
  ...[0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10],
];

/** What becomes of a computer that asks for a certificate. */
const CERTIFICATE_RESULTS = ["enrolled", "renewed", "pending"] as const;
type CertificateResult = typeof CERTIFICATE_RESULTS[number];

const CODES: readonly string[] = Object.keys(FAULTS);
const PREFIX = "migasfree_gateway_";

/** Counts what happens in a gateway, and writes the page for Prometheus. */
export class GatewayMetrics {
  readonly #build: BuildInfo;
  #tunnelsOpen = 0;
  #endsWaiting = 0;
  readonly #tunnelsOpened = new Counter(
    `${PREFIX}tunnels_opened_total`,
    "Tunnels whose service has answered, by service",
    { service: [...SERVICES, "other"] },
  );
  readonly #tunnelsResumed = new Counter(
    `${PREFIX}tunnels_resumed_total`,
    "Tunnels whose two ends met again after a lost link, by service",
    { service: [...SERVICES, "other"] },
  );
  readonly #resumesExpired = new Counter(
    `${PREFIX}resumes_expired_total`,
    "Ends that came back, and were sent away because the other one did not",
    {},
  );
  readonly #detachesExpired = new Counter(
    `${PREFIX}detaches_expired_total`,
    "Tunnels that agents gave up because no new link stood in time",
    {},
  );
  readonly #replayedBytes = new Counter(
    `${PREFIX}replayed_bytes_total`,
    "Bytes that agents have sent once more after a lost link",
    {},
  );
  readonly #tunnelsRefused = new Counter(
    `${PREFIX}tunnels_refused_total`,
    "Tunnels that an operator asked for and did not get, by fault",
    { code: CODES },
  );
  readonly #linksRefused = new Counter(
    `${PREFIX}links_refused_total`,
    "Links and requests that were not let in, by fault",
    { code: CODES },
  );
  readonly #linksClosed = new Counter(
    `${PREFIX}links_closed_total`,
    "Links that ended, by kind and by fault; ok: cleanly",
    { kind: ["control", "stream"], code: ["ok", ...CODES] },
  );
  readonly #streamBytes = new Counter(
    `${PREFIX}stream_bytes_total`,
    "Bytes of tunnels that ended; up is to the device",
    { direction: ["up", "down"] },
  );
  readonly #openSeconds = new Histogram(
    `${PREFIX}open_seconds`,
    "From an operator's request to the answer of the device's service",
    OPEN_BOUNDS_SECONDS,
  );
  readonly #v1Ignored = new Counter(
    `${PREFIX}messages_ignored_total`,
    "Messages of protocol 1 that could not be read, by who sent them",
    { role: ["agent", "operator"] },
  );
  readonly #certificates = new Counter(
    `${PREFIX}certificates_total`,
    "Computers that asked this gateway for a certificate, by what became of it",
    { result: CERTIFICATE_RESULTS },
  );
  readonly #clones = new Counter(
    `${PREFIX}device_clones_total`,
    "Devices found to be two computers with one certificate",
    {},
  );
  readonly #auditFailures = new Counter(
    `${PREFIX}audit_failures_total`,
    "Audit records that could not be written",
    {},
  );

  constructor(build: BuildInfo) {
    this.#build = build;
  }

  /** A tunnel's service has answered, `ms` after it was asked for. */
  tunnelOpened(service: string, ms: number): void {
    this.#tunnelsOpened.add({ service });
    this.#openSeconds.observe(ms / 1000);
  }

  /** The two ends of a tunnel have met again. */
  tunnelResumed(service: string): void {
    this.#tunnelsResumed.add({ service });
  }

  /** One more end that came back, or one less, waits for the other. */
  endsWaiting(change: 1 | -1): void {
    this.#endsWaiting += change;
  }

  /** An end waited in vain for the other one: it may come again. */
  resumeExpired(): void {
    this.#resumesExpired.add({});
  }

  /** An agent says what has become of its tunnels without a link. */
  agentDetached(news: DetachNews): void {
    this.#detachesExpired.add({}, news.expired);
    this.#replayedBytes.add({}, news.replayed_bytes);
  }

  tunnelRefused(code: FaultCode): void {
    this.#tunnelsRefused.add({ code });
  }

  /** One more tunnel, or one less, is open. */
  tunnelsOpen(change: 1 | -1): void {
    this.#tunnelsOpen += change;
  }

  streamBytes(direction: "up" | "down", bytes: number): void {
    this.#streamBytes.add({ direction }, bytes);
  }

  linkRefused(code: FaultCode): void {
    this.#linksRefused.add({ code });
  }

  linkClosed(kind: "control" | "stream", code: FaultCode | "ok"): void {
    this.#linksClosed.add({ kind, code });
  }

  v1Ignored(role: "agent" | "operator"): void {
    this.#v1Ignored.add({ role });
  }

  certificateIssued(result: CertificateResult): void {
    this.#certificates.add({ result });
  }

  deviceCloned(): void {
    this.#clones.add({});
  }

  auditFailed(): void {
    this.#auditFailures.add({});
  }

  /** Returns the page, its type is {@linkcode METRICS_CONTENT_TYPE}. */
  page(readings: GatewayReadings): string {
    return [
      gauge("agents_connected", "Agents that are online", {
        value: readings.agentsConnected,
      }),
      gauge("old_agents_connected", "Those of them that speak protocol 1", {
        value: readings.v1AgentsConnected,
      }),
      gauge("tunnels_open", "Tunnels that are open", {
        value: this.#tunnelsOpen,
      }),
      gauge("ends_waiting", "Ends that came back, and wait for the other", {
        value: this.#endsWaiting,
      }),
      this.#tunnelsOpened.text(),
      this.#tunnelsResumed.text(),
      this.#resumesExpired.text(),
      this.#detachesExpired.text(),
      this.#replayedBytes.text(),
      this.#tunnelsRefused.text(),
      this.#linksRefused.text(),
      this.#linksClosed.text(),
      this.#streamBytes.text(),
      this.#openSeconds.text(),
      this.#v1Ignored.text(),
      this.#certificates.text(),
      this.#clones.text(),
      this.#auditFailures.text(),
      gauge("insecure", "1 if who shows no certificate is served", {
        value: Number(readings.isInsecure),
      }),
      gauge("resident_bytes", "Memory of the process that is in RAM", {
        value: readings.residentBytes,
      }),
      gauge("build_info", "Always 1; its labels say which program this is", {
        labels: { ...this.#build },
        value: 1,
      }),
    ].join("");
  }
}

function gauge(
  name: string,
  help: string,
  sample: {
    readonly labels?: Readonly<Record<string, string>>;
    readonly value: number;
  },
): string {
  return metricFamily({ name: `${PREFIX}${name}`, help, type: "gauge" }, [
    sample,
  ]);
}
