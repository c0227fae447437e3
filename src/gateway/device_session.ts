import type { DetachNews, Open, Service } from "../protocol/control.ts";
import type { Fault } from "../protocol/fault.ts";

/** Told what becomes of a session that stands. */
export interface SessionOwner {
  /** The services of the device, or their states, have changed. */
  servicesChanged(): void;
  /** What has become of its tunnels without a link, as the agent says. */
  agentDetached(news: DetachNews): void;
  /** The link has ended. The last call, exactly once. */
  sessionOver(fault: Fault): void;
}

/**
 * One control link of one device, whichever protocol its agent speaks. A
 * gateway has ten thousand of them that do nothing: what each one keeps, a
 * promise or a closure for example, counts ten thousand times
 * (`test/gateway/idle_agent_test.ts`).
 */
export interface DeviceSession {
  readonly deviceId: number;
  readonly name: string;
  /** Canonical subject of the agent's certificate. */
  readonly subject: string;
  /** Where the agent is, seen past a trusted proxy. */
  readonly address: string;
  /** Which start of the agent it is; undefined: it does not say. */
  readonly instance: string | undefined;
  readonly services: readonly Service[];
  readonly protocol: 1 | 2;

  /** Whether it may be asked for `service`. */
  offers(service: string): boolean;

  /** Serves the link until it ends, and tells `owner`. To be called once. */
  serve(owner: SessionOwner): void;

  /** Closes the link with `fault`; the first to say why is remembered. */
  end(fault: Fault): void;

  /** Asks the agent to leave, and to come back within `withinMs`. */
  askToLeave(withinMs: number): void;

  /**
   * Asks the agent for a tunnel and waits until its service has answered.
   *
   * @throws {Fault} Why not, or `deviceOffline`.
   * @throws `signal.reason` once aborted; the agent is then told.
   */
  open(request: Omit<Open, "type">, signal: AbortSignal): Promise<void>;
}
