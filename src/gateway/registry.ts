import { Fault } from "../protocol/fault.ts";
import type { AgentSession } from "./agent_session.ts";

/** Which devices are online, each by its newest control link. */
export class Registry {
  readonly #sessions = new Map<number, AgentSession>();

  get count(): number {
    return this.#sessions.size;
  }

  find(deviceId: number): AgentSession | undefined {
    return this.#sessions.get(deviceId);
  }

  all(): Iterable<AgentSession> {
    return this.#sessions.values();
  }

  /** Puts `session` in the place of its device's older one, which is told. */
  attach(session: AgentSession): void {
    const older = this.#sessions.get(session.deviceId);
    this.#sessions.set(session.deviceId, session);
    older?.end(
      new Fault("linkReplaced", "A newer link of this device has come"),
    );
  }

  /** Takes `session` out. Returns false if a newer one has its place already. */
  detach(session: AgentSession): boolean {
    if (this.#sessions.get(session.deviceId) !== session) return false;
    return this.#sessions.delete(session.deviceId);
  }
}
