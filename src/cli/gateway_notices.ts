import type { Clock } from "../base/clock.ts";
import type { ServiceManager } from "../runtime/service_manager.ts";

/** How often the words about it are looked at: ours to choose. */
const LOOK_EVERY_MS = 5_000;

/** Tells the service manager how the gateway goes. */
export class GatewayNotices {
  readonly #manager: ServiceManager;
  readonly #agentCount: () => number;

  constructor(manager: ServiceManager, agentCount: () => number) {
    this.#manager = manager;
    this.#agentCount = agentCount;
  }

  /** SIGHUP: the files are looked at anew, and nothing is out of service. */
  reload(): void {
    this.#manager.reloading();
    this.#manager.ready(this.#status);
  }

  stopping(): void {
    this.#manager.stopping();
  }

  /**
   * Says that the gateway takes links, then how many there are, and feeds the
   * watchdog for as long as this process comes to it.
   *
   * @throws `signal.reason` once aborted.
   */
  async run(clock: Clock, signal: AbortSignal): Promise<void> {
    this.#manager.ready(this.#status);
    const everyMs = Math.min(
      LOOK_EVERY_MS,
      this.#manager.feedEveryMs ?? LOOK_EVERY_MS,
    );
    for (;;) {
      this.#manager.feed();
      await clock.sleep(everyMs, signal);
      this.#manager.status(this.#status);
    }
  }

  get #status(): string {
    const count = this.#agentCount();
    return count === 1 ? "1 agent online" : `${count} agents online`;
  }
}
