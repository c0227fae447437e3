import { Fault } from "../protocol/fault.ts";
import type { CloneWatch } from "./clone_watch.ts";
import type { DeviceSession } from "./device_session.ts";

/** Told which start of an agent lost its link, if that says which it was. */
export type ReplacedElsewhere = (instance: string | undefined) => void;

/** Told of each device that comes, or goes. */
export interface RegistryObserver {
  /** @param replaced Told if it took the device from another gateway's link. */
  attached(session: DeviceSession, replaced: ReplacedElsewhere): void;
  /** Not of a link that a newer one of its device has replaced. */
  detached(session: DeviceSession): void;
}

/** Told of each device that another gateway had until now. */
export type RegistryClones = Pick<CloneWatch, "replacedElsewhere">;

/** Which devices are online, each by its newest control link. */
export class Registry {
  readonly #sessions = new Map<number, DeviceSession>();
  readonly #observer: RegistryObserver | undefined;
  readonly #clones: RegistryClones | undefined;

  constructor(observer?: RegistryObserver, clones?: RegistryClones) {
    this.#observer = observer;
    this.#clones = clones;
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
    this.#observer?.attached(
      session,
      (instance) => void this.#clones?.replacedElsewhere(session, instance),
    );
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
