/** What the agents of one process have done since they last said so. */
export interface StormReport {
  /** Seconds since 1970. */
  readonly atSeconds: number;
  readonly onlineCount: number;
  readonly dialCount: number;
  /** Dials that came before the wait was over that its backoff had said. */
  readonly earlyCount: number;
  readonly welcomeCount: number;
}

/** What a process of a storm is told: as JSON, its only argument. */
export interface StormOrders {
  readonly url: string;
  /** Ids from `firstId` on. */
  readonly firstId: number;
  readonly agentCount: number;
  /** The first dials are spread over so long. */
  readonly spreadMs: number;
  /** Files of the certificate that all of them show; none: a proxy's headers. */
  readonly identity?: {
    readonly "ca_file": string;
    readonly "cert_file": string;
    readonly "key_file": string;
  };
}
