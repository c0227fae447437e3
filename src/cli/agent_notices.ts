import type { AgentState } from "../agent/agent.ts";
import type { Clock } from "../base/clock.ts";
import type { Fault } from "../protocol/fault.ts";
import type { ServiceManager } from "../runtime/service_manager.ts";
import type { Progress } from "../transport/progress.ts";

/** What of an agent's state a service manager hears. */
type ShownState =
  & Pick<AgentState, "gatewayUrl" | "lastFault" | "link">
  & { readonly tunnels: readonly unknown[] };

/** Tells the service manager how the agent goes. */
export class AgentNotices {
  readonly #manager: ServiceManager;
  #isReady = false;

  constructor(manager: ServiceManager) {
    this.#manager = manager;
  }

  /** Says that there is no configuration yet, and why. */
  waiting({ message }: Fault): void {
    this.#tell(`Waiting: ${message}`);
  }

  /**
   * Says how the link is. Ready is who is online, or has begun to try again:
   * a computer must not boot slowly because a gateway is not there.
   */
  show({ gatewayUrl, lastFault, link, tunnels }: ShownState): void {
    if (link === "stopped") return;
    const count = tunnels.length;
    if (link === "online") {
      const open = count === 1 ? "1 tunnel" : `${count} tunnels`;
      return this.#tell(`Online at ${gatewayUrl ?? "its gateway"}, ${open}`);
    }
    if (!lastFault && !this.#isReady) return;
    this.#tell(`Dialing again: ${lastFault?.message ?? "it was asked to"}`);
  }

  reloading(): void {
    this.#manager.reloading();
    this.#isReady = false;
  }

  stopping(): void {
    this.#manager.stopping();
  }

  /**
   * Feeds the watchdog as long as `progress` is not stuck, until `signal`
   * aborts: an agent whose loop hangs is started anew.
   *
   * @throws `signal.reason`
   */
  async feed(
    progress: Progress,
    clock: Clock,
    signal: AbortSignal,
  ): Promise<void> {
    const { feedEveryMs } = this.#manager;
    if (feedEveryMs === undefined) return;
    for (;;) {
      if (!progress.isStuck) this.#manager.feed();
      await clock.sleep(feedEveryMs, signal);
    }
  }

  #tell(status: string): void {
    if (this.#isReady) return this.#manager.status(status);
    this.#isReady = true;
    this.#manager.ready(status);
  }
}
