import type { FaultCode } from "../protocol/fault.ts";

/** Who wants what from whom. */
interface TunnelParties {
  readonly tunnelId: string;
  /** The CN of the operator's certificate. */
  readonly operator: string;
  readonly operatorSubject: string;
  /** Where the operator is. */
  readonly address: string;
  readonly deviceId: number;
  readonly service: string;
}

interface Refused {
  readonly code: FaultCode;
  readonly message: string;
  /**
   * Present: this record stands for so many refusals like it that were not
   * written one by one, and what else it says is of the last of them.
   */
  readonly suppressed?: number | undefined;
}

export interface TunnelOpened extends TunnelParties {
  /** Resumed: its two ends have met again, after a link was lost. */
  readonly event: "tunnel.opened" | "tunnel.resumed";
  readonly deviceName: string;
}

export interface TunnelClosed extends TunnelParties {
  readonly event: "tunnel.closed";
  readonly deviceName: string;
  /** When it was opened: ISO 8601, UTC. */
  readonly startedAt: string;
  /** How long it was open. */
  readonly ms: number;
  /** From the operator to the device. */
  readonly bytesUp: number;
  /** From the device to the operator. */
  readonly bytesDown: number;
  readonly code: FaultCode | "ok";
}

export interface TunnelRefused extends TunnelParties, Refused {
  readonly event: "tunnel.refused";
}

export interface LinkRefused extends Refused {
  readonly event: "link.refused";
  readonly address: string;
  /** As the caller shows it, believed or not. */
  readonly subject?: string | undefined;
  readonly path: string;
}

export interface LinkRevoked {
  readonly event: "link.revoked";
  readonly subject: string;
  readonly address: string;
  readonly code: FaultCode;
}

export interface DeviceBound {
  readonly event: "device.bound";
  readonly deviceId: number;
  readonly subject: string;
}

export interface DeviceReleased {
  readonly event: "device.released";
  readonly deviceId: number;
  /** Whom the id was bound to. */
  readonly subject?: string | undefined;
}

/** A computer got its first certificate. */
export interface DeviceEnrolled {
  readonly event: "device.enrolled";
  readonly deviceId: number;
  readonly name: string;
  readonly subject: string;
  /** Of the certificate, in hexadecimal. */
  readonly serial: string;
  readonly address: string;
  /** Which token it was. */
  readonly token: string;
}

/** A computer got the successor of its certificate. */
export interface CertificateRenewed {
  readonly event: "certificate.renewed";
  readonly subject: string;
  /** Of the new one. */
  readonly serial: string;
  readonly address: string;
}

/** A computer whose certificate has expired waits for a person. */
export interface CertificateAsked {
  readonly event: "certificate.asked";
  readonly subject: string;
  /** Of the one that has expired. */
  readonly serial: string;
  readonly address: string;
  /** What is to be approved. */
  readonly request: string;
}

/** Two computers have shown the certificate of one, again and again. */
export interface DeviceCloned {
  readonly event: "device.cloned";
  readonly deviceId: number;
  readonly subject: string;
  readonly addresses: readonly string[];
  readonly quarantined: boolean;
}

/** One line of the audit: docs/OPERATIONS.md lists them. */
export type AuditRecord =
  | TunnelOpened
  | TunnelClosed
  | TunnelRefused
  | LinkRefused
  | LinkRevoked
  | DeviceBound
  | DeviceReleased
  | DeviceEnrolled
  | CertificateRenewed
  | CertificateAsked
  | DeviceCloned;

/** Where is written down who reached what. */
export interface AuditLog {
  /**
   * Appends `record` with the time of day. Whether a failure to do so stops
   * anything is decided by whoever opened the audit.
   */
  write(record: AuditRecord): void;
}
