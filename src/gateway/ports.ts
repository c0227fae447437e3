import type { Clock } from "../base/clock.ts";
import type { Log } from "../base/log.ts";
import type { AuditLog } from "../policy/audit.ts";
import type { DeviceStore } from "../policy/device_store.ts";
import type { HeartbeatValues } from "../protocol/control.ts";
import type { ResumeTokens } from "../protocol/resume_token.ts";
import type { Heartbeats } from "../transport/heartbeats.ts";
import type { AdmitPorts } from "./admit.ts";
import type { GatewayMetrics } from "./metrics.ts";

/** What a gateway may ask for, and how long it waits. */
export interface GatewayLimits {
  readonly tunnelsPerOperatorMax: number;
  readonly tunnelsPerDeviceMax: number;
  readonly tunnelsPerAddressMax: number;
  readonly linksPerAddressMax: number;
  readonly linksMax: number;
  readonly openTimeoutMs: number;
  /** How long each end of a tunnel waits for a new link. */
  readonly detachMs: number;
}

/** What a gateway needs of the machine. */
export interface GatewayPorts {
  readonly clock: Clock;
  readonly log: Log;
  readonly heartbeats: Heartbeats;
  readonly store: DeviceStore;
  readonly audit: AuditLog;
  readonly metrics: GatewayMetrics;
  readonly identity: AdmitPorts;
  readonly heartbeat: HeartbeatValues;
  readonly limits: GatewayLimits;
  readonly resumeTokens: ResumeTokens;
  /** Our version, as it is told to agents. */
  readonly software: string;
}
