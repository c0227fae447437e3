import type { Clock } from "../base/clock.ts";
import type { Log } from "../base/log.ts";
import type { AuditLog } from "../policy/audit.ts";
import type { DeviceStore } from "../policy/device_store.ts";
import type { HeartbeatValues } from "../protocol/control.ts";
import type { ResumeTokens } from "../protocol/resume_token.ts";
import type { WindowBudget } from "../stream/window_budget.ts";
import type { Heartbeats } from "../transport/heartbeats.ts";
import type { AdmitPorts } from "./admit.ts";
import type { ClonePolicy } from "./clone_watch.ts";
import type { Cluster } from "./cluster.ts";
import type { GatewayMetrics } from "./metrics.ts";

/** What a gateway may ask for, and how long it waits. */
export interface GatewayLimits {
  readonly tunnelsPerOperatorMax: number;
  readonly tunnelsPerDeviceMax: number;
  readonly tunnelsPerAddressMax: number;
  readonly linksPerAddressMax: number;
  readonly linksMax: number;
  readonly openTimeoutMs: number;
  /** How long each end of a tunnel waits for a new link, unless told. */
  readonly detachMs: number;
  /** The longest that an agent may tell for one of its services. */
  readonly detachMaxMs: number;
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
  /** The gateways that this one works with; undefined: it is alone. */
  readonly cluster?: Cluster | undefined;
  /** For streams of which this process is an end; undefined: no protocol 1. */
  readonly v1Budget?: WindowBudget | undefined;
  /** Where agents and operators find this gateway, if it was told. */
  readonly publicUrl?: string | undefined;
  /** What is done about a certificate that two show; default: it is said. */
  readonly onClone?: ClonePolicy | undefined;
  /** Told of each agent that comes online. */
  readonly agentCame?: (() => void) | undefined;
  /** A tunnel is open that was not. */
  readonly tunnelOpened?: (() => void) | undefined;
  /** Our version, as it is told to agents. */
  readonly software: string;
}
