import { plainText } from "../base/text.ts";
import { Scope } from "../base/scope.ts";
import type { Open } from "../protocol/control.ts";
import { Fault } from "../protocol/fault.ts";
import { OPERATOR_NAME_MAX_CHARS } from "../protocol/limits.ts";
import { UNKNOWN_CAP_MS } from "../transport/backoff.ts";
import { superviseLink } from "../transport/supervise.ts";
import { serveControlLink } from "./control_link.ts";
import { type DetachCounts, Detaches } from "./detaches.ts";
import { type DialedGateway, GatewayDial } from "./gateway_dial.ts";
import type { AgentPorts, AgentSettings } from "./ports.ts";
import { type RunningTunnel, RunningTunnels } from "./running_tunnels.ts";
import type { V1Past } from "./v1_registration.ts";

/** What `status` shows of an agent; times in milliseconds since 1970. */
export interface AgentState {
  readonly link: "connecting" | "online" | "stopped";
  readonly gatewayUrl: string | undefined;
  /** What is spoken there; undefined until it was online for the first time. */
  readonly protocol: 1 | 2 | undefined;
  readonly sinceMs: number;
  readonly lastFault: Fault | undefined;
  readonly tunnels: readonly AgentTunnel[];
  readonly detaches: DetachCounts;
}

/** A tunnel that runs, with a link or without. */
export interface AgentTunnel extends RunningTunnel {
  /** Since when it has no link; undefined: it has one. */
  readonly detachedSinceMs: number | undefined;
}

type AgentLinkState = Omit<AgentState, "tunnels" | "detaches">;

/**
 * Keeps one control link up and runs the tunnels that come over it.
 *
 * What serves a tunnel, or protocol 1, is loaded when it is needed: an agent
 * that nobody has asked for anything does without 2 MB of memory.
 */
export class Agent {
  readonly #settings: AgentSettings;
  readonly #ports: AgentPorts;
  readonly #gateway: GatewayDial;
  readonly #running: RunningTunnels;
  readonly #detaches: Detaches;
  /** Of the tunnels of protocol 2: what to call when the operator leaves. */
  readonly #cancels = new Map<string, () => void>();
  readonly #v1Past: V1Past = { isReturn: false, isTouchy: false };
  #state: AgentLinkState;
  #capMs = UNKNOWN_CAP_MS;

  constructor(settings: AgentSettings, ports: AgentPorts) {
    this.#settings = settings;
    this.#ports = ports;
    this.#gateway = new GatewayDial(settings, ports);
    this.#running = new RunningTunnels(
      settings.tunnelsMax,
      ports.clock,
      () => ports.stateChanged?.(),
    );
    this.#detaches = new Detaches(ports.clock, () => ports.stateChanged?.());
    this.#state = {
      link: "connecting",
      gatewayUrl: undefined,
      protocol: undefined,
      sinceMs: ports.clock.wallNow(),
      lastFault: undefined,
    };
  }

  get state(): AgentState {
    const tunnels = this.#running.all.map((tunnel) => ({
      ...tunnel,
      detachedSinceMs: this.#detaches.sinceMs(tunnel.id),
    }));
    return { ...this.#state, tunnels, detaches: this.#detaches.counts };
  }

  /**
   * Runs until `signal` aborts; tunnels and link are then told and closed.
   *
   * @throws `signal.reason`, and nothing else.
   */
  async run(signal: AbortSignal): Promise<void> {
    await using scope = new Scope(signal);
    scope.go((signal) => this.#ports.heartbeats.run(signal));
    const once = async (stood: () => void, signal: AbortSignal) => {
      const error: unknown = await this.#serveOnce(stood, scope, signal)
        .catch((error: unknown) => error);
      return Fault.from(error);
    };
    scope.go((signal) =>
      superviseLink(once, {
        ...this.#ports,
        capMs: () => this.#capMs,
        changed: this.#ports.identityChanged,
      }, signal)
    );
    await scope.join();
  }

  async #serveOnce(
    stood: () => void,
    scope: Scope,
    signal: AbortSignal,
  ): Promise<never> {
    const settings = this.#settings;
    const ports = this.#ports;
    try {
      const dialed = await this.#gateway.dial(signal);
      if (dialed.protocol === 1) {
        const { serveV1ControlLink } = await import("./v1_control_link.ts");
        return await serveV1ControlLink(dialed, settings, ports, {
          registered: () => {
            stood();
            this.#online(dialed, UNKNOWN_CAP_MS, settings.tunnelsMax);
          },
          forget: () => this.#gateway.forget(),
          running: this.#running,
          past: this.#v1Past,
        }, signal);
      }
      return await serveControlLink(dialed, settings, ports, {
        welcomed: (welcome) => {
          stood();
          this.#online(dialed, welcome.retry_cap_ms, welcome.tunnels_max);
        },
        open: (open, gatewayUrl, reply) =>
          this.#open(open, gatewayUrl, reply, scope),
        cancel: (tunnelId) => this.#cancels.get(tunnelId)?.(),
        news: () => this.#detaches.takeNews(),
      }, signal);
    } catch (error) {
      const link = signal.aborted ? "stopped" : "connecting";
      this.#change({ link, lastFault: Fault.from(error) });
      throw error;
    }
  }

  #online(
    { gatewayUrl, protocol }: DialedGateway,
    capMs: number,
    tunnelsMax: number,
  ): void {
    this.#capMs = capMs;
    // A gateway can ask for less, never for more.
    this.#running.limitTo(Math.min(this.#settings.tunnelsMax, tunnelsMax));
    this.#change({
      link: "online",
      gatewayUrl,
      protocol,
      lastFault: undefined,
    });
    this.#ports.log.info("link.open", { gateway: gatewayUrl, protocol });
  }

  #open(
    open: Open,
    gatewayUrl: string,
    reply: (message: object) => void,
    scope: Scope,
  ): void {
    const { tunnel: id, service } = open;
    const operator = plainText(open.operator, OPERATOR_NAME_MAX_CHARS);
    let ended: () => void;
    try {
      if (this.#cancels.has(id)) throw sameId();
      ended = this.#running.begin({ id, service, operator });
    } catch (error) {
      const { code, message } = Fault.from(error);
      return reply({ type: "refused", tunnel: id, code, message });
    }
    const cancelled = new AbortController();
    this.#cancels.set(id, () => {
      cancelled.abort(new Fault("tunnelCancelled", "The operator has left"));
    });
    const request = {
      open: { ...open, operator },
      gatewayUrl,
      reply,
      cancelled: cancelled.signal,
      detaches: this.#detaches,
    };
    scope.go(async (signal) => {
      const { runTunnel } = await import("./tunnel.ts");
      await runTunnel(request, this.#settings, this.#ports, signal);
      this.#cancels.delete(id);
      ended();
    });
  }

  #change(change: Partial<AgentLinkState>): void {
    const sinceMs = this.#ports.clock.wallNow();
    this.#state = { ...this.#state, ...change, sinceMs };
    this.#ports.stateChanged?.();
  }
}

function sameId(): Fault {
  return new Fault("quotaExceeded", "The agent has a tunnel with this id");
}
