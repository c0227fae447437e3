import type { Clock } from "../base/clock.ts";
import type { Fault } from "../protocol/fault.ts";
import type { WindowBudget } from "../stream/window_budget.ts";
import type { Heartbeats } from "../transport/heartbeats.ts";
import type { Link } from "../transport/link.ts";
import type { JsonAnswer } from "../transport/post_json.ts";
import type { Site } from "./site.ts";

/** What an operator's command needs of the machine. */
export interface OperatorPorts {
  readonly clock: Clock;
  readonly heartbeats: Heartbeats;
  readonly budget: WindowBudget;
  /** Uniform in [0, 1). */
  readonly random: () => number;
  /** A tunnel has lost its link and dials again. */
  readonly lost: (fault: Fault) => void;
  /** It goes on, `ms` later. */
  readonly back: (ms: number) => void;
  /** `wss://host/tunnel`: other paths are relative to it. */
  readonly gatewayUrl: string;
  /**
   * Dials with the operator's certificate; no subprotocol is protocol 1.
   *
   * @throws {Fault} `versionUnsupported` if the other side selects none.
   */
  readonly dial: (
    url: string,
    subprotocol: string | undefined,
    headers: Readonly<Record<string, string>>,
    signal: AbortSignal,
  ) => Promise<Link>;
  /** Name in the operator's certificate, if it has one. */
  readonly commonName: () => Promise<string | undefined>;
  /** What was learned of the site while this program runs. */
  readonly site: Site;
  /** Told of each tunnel of protocol 2 that has ended cleanly. */
  readonly tunnelEnded?: (() => void) | undefined;
  /** Gets a page of the gateway, with the operator's certificate. @throws {Fault} */
  readonly getJson: (url: string, signal: AbortSignal) => Promise<JsonAnswer>;
}
