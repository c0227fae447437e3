import { Fault } from "../protocol/fault.ts";
import type { DeviceSession } from "./device_session.ts";

/** Told of each device that comes, or goes. */
export interface RegistryObserver {
  attached(session: DeviceSession): void;
  /** Not of a link that a newer one of its device has replaced. */
  detached(session: DeviceSession): void;
}

/** Which devices are online, each by its newest control link. */
export class Registry {
  readonly #sessions = new Map<number, DeviceSession>();
  readonly #observer: RegistryObserver | undefined;

  constructor(observer?: RegistryObserver) {
    this.#observer = observer;
  }

  get count(): number {
    return this.#sessions.size;
  }

  /** How many of them speak protocol 1. */
  get v1Count(): number {
    return this.#sessions.values().filter(({ protocol }) => protocol === 1)
      .toArray().length;
  }

  find(deviceId: number): DeviceSession | undefined {
    return this.#sessions.get(deviceId);
  }

  all(): Iterable<DeviceSession> {
    return this.#sessions.values();
  }

  /** Puts `session` in the place of its device's older one, which is told. */
  attach(session: DeviceSession): void {
    const older = this.#sessions.get(session.deviceId);
    this.#sessions.set(session.deviceId, session);
    this.#observer?.attached(session);
    older?.end(
      new Fault("linkReplaced", "A newer link of this device has come"),
    );
  }

  /** Takes `session` out. Returns false if a newer one has its place already. */
  detach(session: DeviceSession): boolean {
    if (this.#sessions.get(session.deviceId) !== session) return false;
    this.#sessions.delete(session.deviceId);
    this.#observer?.detached(session);
    return true;
  }
}
