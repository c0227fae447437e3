import { plainText } from "../base/text.ts";
import { Scope } from "../base/scope.ts";
import type { Open } from "../protocol/control.ts";
import { Fault } from "../protocol/fault.ts";
import { OPERATOR_NAME_MAX_CHARS } from "../protocol/limits.ts";
import { UNKNOWN_CAP_MS } from "../transport/backoff.ts";
import { superviseLink } from "../transport/supervise.ts";
import { serveControlLink } from "./control_link.ts";
import type { AgentPorts, AgentSettings } from "./ports.ts";
import { runTunnel } from "./tunnel.ts";

/** A tunnel that runs, as `status` shows it. */
export interface RunningTunnel {
  readonly id: string;
  readonly service: string;
  readonly operator: string;
  readonly sinceMs: number;
}

/** What `status` shows of an agent; times in milliseconds since 1970. */
export interface AgentState {
  readonly link: "connecting" | "online" | "stopped";
  readonly gatewayUrl: string | undefined;
  readonly sinceMs: number;
  readonly lastFault: Fault | undefined;
  readonly tunnels: readonly RunningTunnel[];
}

/** Keeps one control link up and runs the tunnels that come over it. */
export class Agent {
  readonly #settings: AgentSettings;
  readonly #ports: AgentPorts;
  readonly #running = new Map<
    string,
    RunningTunnel & { readonly cancel: () => void }
  >();
  #state: Omit<AgentState, "tunnels">;
  #capMs = UNKNOWN_CAP_MS;
  #tunnelsMax: number;

  constructor(settings: AgentSettings, ports: AgentPorts) {
    this.#settings = settings;
    this.#ports = ports;
    this.#tunnelsMax = settings.tunnelsMax;
    this.#state = this.#stateNow("connecting", undefined, undefined);
  }

  get state(): AgentState {
    return { ...this.#state, tunnels: [...this.#running.values()] };
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
    const { log } = this.#ports;
    try {
      return await serveControlLink(this.#settings, this.#ports, {
        welcomed: (welcome, gatewayUrl) => {
          stood();
          this.#capMs = welcome.retry_cap_ms;
          // A gateway can ask for less, never for more.
          const { tunnelsMax } = this.#settings;
          this.#tunnelsMax = Math.min(tunnelsMax, welcome.tunnels_max);
          this.#state = this.#stateNow("online", gatewayUrl, undefined);
          log.info("link.open", { gateway: gatewayUrl });
        },
        open: (open, gatewayUrl, reply) =>
          this.#open(open, gatewayUrl, reply, scope),
        cancel: (tunnelId) => this.#running.get(tunnelId)?.cancel(),
      }, signal);
    } catch (error) {
      const link = signal.aborted ? "stopped" : "connecting";
      const fault = Fault.from(error);
      this.#state = this.#stateNow(link, this.#state.gatewayUrl, fault);
      throw error;
    }
  }

  #open(
    open: Open,
    gatewayUrl: string,
    reply: (message: object) => void,
    scope: Scope,
  ): void {
    const { tunnel: id, service } = open;
    const tunnelsMax = this.#tunnelsMax;
    if (this.#running.size >= tunnelsMax || this.#running.has(id)) {
      const code = "quotaExceeded";
      const message = `The agent has ${tunnelsMax} tunnels open, its limit`;
      return reply({ type: "refused", tunnel: id, code, message });
    }
    const operator = plainText(open.operator, OPERATOR_NAME_MAX_CHARS);
    const cancelled = new AbortController();
    const cancel = () =>
      cancelled.abort(new Fault("tunnelCancelled", "The operator has left"));
    const sinceMs = this.#ports.clock.wallNow();
    this.#running.set(id, { id, service, operator, sinceMs, cancel });
    const request = {
      open: { ...open, operator },
      gatewayUrl,
      reply,
      cancelled: cancelled.signal,
    };
    scope.go(async (signal) => {
      await runTunnel(request, this.#settings, this.#ports, signal);
      this.#running.delete(id);
    });
  }

  #stateNow(
    link: AgentState["link"],
    gatewayUrl: string | undefined,
    lastFault: Fault | undefined,
  ): Omit<AgentState, "tunnels"> {
    const sinceMs = this.#ports.clock.wallNow();
    return { link, gatewayUrl, sinceMs, lastFault };
  }
}
