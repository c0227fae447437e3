import type { Open, Service } from "../protocol/control.ts";
import type { Fault } from "../protocol/fault.ts";

/** One control link of one device, whichever protocol its agent speaks. */
export interface DeviceSession {
  readonly deviceId: number;
  readonly name: string;
  /** Canonical subject of the agent's certificate. */
  readonly subject: string;
  /** Which start of the agent it is; undefined: it does not say. */
  readonly instance: string | undefined;
  readonly services: readonly Service[];
  readonly protocol: 1 | 2;

  /** Whether it may be asked for `service`. */
  offers(service: string): boolean;

  /** Serves the link until it ends. Returns why it ended. Never rejects. */
  serve(signal: AbortSignal): Promise<Fault>;

  /** Closes the link with `fault`; the first to say why is remembered. */
  end(fault: Fault): void;

  /** Asks the agent to leave, and to come back within `withinMs`. */
  drain(withinMs: number): void;

  /**
   * Asks the agent for a tunnel and waits until its service has answered.
   *
   * @throws {Fault} Why not, or `deviceOffline`.
   * @throws `signal.reason` once aborted; the agent is then told.
   */
  open(request: Omit<Open, "type">, signal: AbortSignal): Promise<void>;
}
