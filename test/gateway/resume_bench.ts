import type { Admitted } from "../../src/gateway/admit.ts";
import { type End, Meetings } from "../../src/gateway/meetings.ts";
import { GatewayMetrics } from "../../src/gateway/metrics.ts";
import { OpenLinks } from "../../src/gateway/open_links.ts";
import type { AgentSession } from "../../src/gateway/agent_session.ts";
import { Registry } from "../../src/gateway/registry.ts";
import {
  serveResume,
  type ServeResumePorts,
} from "../../src/gateway/serve_resume.ts";
import type { AuditRecord } from "../../src/policy/audit.ts";
import { Fault } from "../../src/protocol/fault.ts";
import {
  type ResumeClaims,
  ResumeTokens,
} from "../../src/protocol/resume_token.ts";
import { Heartbeats } from "../../src/transport/heartbeats.ts";
import { closeWithFault } from "../../src/transport/link_end.ts";
import { ListLog } from "../support/list_log.ts";
import { ManualClock } from "../support/manual_clock.ts";
import { TunnelEnd } from "./relay_bench.ts";

export const TUNNEL = "0123456789abcdef0123456789abcdef";
export const INSTANCE = "fedcba9876543210fedcba9876543210";

const SUBJECTS: Readonly<Record<End, string>> = {
  agent: "/O=mf.test/OU=COMPUTERS/CN=4c4c_7",
  operator: "/O=mf.test/OU=ADMINS/CN=ana",
};

export function callerOf(role: End, subject = SUBJECTS[role]): Admitted {
  return {
    principal: { role, subject, name: role },
    address: "192.0.2.7",
    certificate: undefined,
  };
}

/** Where ends come back to: a gateway without its door. */
export class ResumeBench {
  readonly clock = new ManualClock();
  readonly log = new ListLog();
  readonly records: AuditRecord[] = [];
  readonly meetings = new Meetings();
  readonly registry = new Registry();
  readonly stop = new AbortController();
  readonly #tokens: ResumeTokens;
  readonly #ports: ServeResumePorts;

  private constructor(tokens: ResumeTokens) {
    this.#tokens = tokens;
    const { clock, log, meetings, registry } = this;
    this.#ports = {
      clock,
      log,
      meetings,
      registry,
      heartbeats: new Heartbeats(clock, "forgive"),
      store: { find: () => undefined } as never,
      audit: {
        write: (record: AuditRecord) => this.records.push(record),
      } as never,
      metrics: new GatewayMetrics({ version: "0", commit: "0" }),
      identity: {} as never,
      heartbeat: { "interval_ms": 20_000, "timeout_ms": 45_000 },
      limits: { detachMs: 60_000, detachMaxMs: 600_000 } as never,
      resumeTokens: tokens,
      software: "test",
      openLinks: new OpenLinks(() => undefined),
    };
  }

  static async create(): Promise<ResumeBench> {
    return new ResumeBench(await ResumeTokens.create(new Uint8Array(32)));
  }

  issue(role: End, change: Partial<ResumeClaims> = {}): Promise<string> {
    return this.#tokens.issue({
      tunnel: TUNNEL,
      role,
      subject: SUBJECTS[role],
      device: 7,
      service: "ssh",
      instance: INSTANCE,
      operator: "ana",
      operator_subject: SUBJECTS.operator,
      ...change,
    });
  }

  /** An end dials; the link is closed as the gateway does it. */
  async dial(
    role: End,
    token?: string,
    caller: Admitted = callerOf(role),
  ): Promise<TunnelEnd> {
    const end = new TunnelEnd();
    const shown = token ?? await this.issue(role);
    const { atGateway } = end;
    void serveResume(atGateway, caller, shown, this.#ports, this.stop.signal)
      .catch((error: unknown) => closeWithFault(atGateway, Fault.from(error)));
    // The signature is checked by another thread: no turn says when.
    await until(() =>
      end.end !== undefined || end.heard.length > 0 ||
      this.meetings.waitingCount > 0
    );
    return end;
  }

  /** The agent of the device comes online, as a start of it. */
  attach(instance: string | undefined): void {
    const session = { deviceId: 7, instance, end: () => undefined };
    this.registry.attach(session as unknown as AgentSession);
    this.meetings.recheck();
  }
}

/** Lets other threads' work arrive; fails after a second. */
export async function until(isSo: () => boolean): Promise<void> {
  const endMs = performance.now() + 1_000;
  while (!isSo()) {
    if (performance.now() > endMs) throw new Error("It does not happen");
    await new Promise((resolve) => setImmediate(resolve));
  }
}
