import type {
  ClaimResult,
  DeviceClaim,
  DevicePage,
  DeviceStore,
  RestorableStore,
  StoredDevice,
} from "../policy/device_store.ts";
import { Fault } from "../protocol/fault.ts";

/** Devices that are restored at once. */
const BATCH_MAX_COUNT = 256;

/**
 * The devices of all gateways of a site, and what this one remembers of them
 * for as long as the shared store is away: a device that has come here before
 * is let in by that, one that has not must wait.
 */
export class SharedDeviceStore implements DeviceStore {
  readonly #shared: RestorableStore;
  readonly #own: DeviceStore;

  constructor(shared: RestorableStore, own: DeviceStore) {
    this.#shared = shared;
    this.#own = own;
  }

  async claim(claim: DeviceClaim): Promise<ClaimResult> {
    let result: ClaimResult;
    try {
      result = await this.#shared.claim(claim);
    } catch (error) {
      return await this.#claimAlone(claim, awayFault(error));
    }
    await this.#remember(claim, result);
    return result;
  }

  async seen(
    deviceId: number,
    nowMs: number,
    services: readonly string[],
  ): Promise<void> {
    await this.#own.seen(deviceId, nowMs, services);
    await this.#shared.seen(deviceId, nowMs, services);
  }

  async find(deviceId: number): Promise<StoredDevice | undefined> {
    return await this.#either((store) => store.find(deviceId));
  }

  async findByName(name: string): Promise<StoredDevice[]> {
    return await this.#either((store) => store.findByName(name));
  }

  async list(page: DevicePage): Promise<StoredDevice[]> {
    return await this.#either((store) => store.list(page));
  }

  async release(deviceId: number): Promise<boolean> {
    const released = await this.#shared.release(deviceId);
    const forgotten = await this.#own.release(deviceId);
    return released || forgotten;
  }

  /** Tells the shared store, which has lost its data, what we remember. */
  async restore(): Promise<void> {
    await eachPage(this.#own, async (page) => {
      await Promise.all(page.map((device) => this.#shared.restore(device)));
    });
  }

  /**
   * Remembers all devices of the shared store, and no other: for a time
   * without it, and for when it has lost its data.
   *
   * @param isLost Asked before anything is forgotten: whether that is now.
   */
  async copy(isLost: () => Promise<boolean>): Promise<void> {
    const known = new Set<number>();
    await eachPage(this.#shared, async (page) => {
      for (const device of page) {
        known.add(device.deviceId);
        await this.#copyOne(device);
      }
    });
    const gone: number[] = [];
    await eachPage(this.#own, (page) => {
      const ids = page.map(({ deviceId }) => deviceId);
      gone.push(...ids.filter((id) => !known.has(id)));
      return Promise.resolve();
    });
    if (gone.length === 0 || await isLost()) return;
    for (const deviceId of gone) {
      // One that has come since then is not gone.
      if (await this.#shared.find(deviceId)) continue;
      await this.#own.release(deviceId);
    }
  }

  async #copyOne(device: StoredDevice): Promise<void> {
    const { deviceId, name, subject, seenAtMs: nowMs } = device;
    const own = await this.#own.find(deviceId);
    if (own?.subject === subject) return;
    if (own) await this.#own.release(deviceId);
    await this.#own.claim({ deviceId, name, subject, nowMs });
    await this.#own.seen(deviceId, nowMs, device.services);
  }

  async #either<T>(ask: (store: DeviceStore) => T | Promise<T>): Promise<T> {
    try {
      return await ask(this.#shared);
    } catch (error) {
      awayFault(error);
      return await ask(this.#own);
    }
  }

  async #claimAlone(claim: DeviceClaim, away: Fault): Promise<ClaimResult> {
    const known = await this.#own.find(claim.deviceId);
    // Somebody else may hold it by now: who was never here cannot be told.
    if (!known) {
      throw new Fault(
        "gatewayRefused",
        `Cannot tell whom device ${claim.deviceId} is bound to: ` +
          "Redis does not answer",
        { hint: "Try again in a minute", cause: away },
      );
    }
    return await this.#own.claim(claim);
  }

  async #remember(claim: DeviceClaim, result: ClaimResult): Promise<void> {
    const { deviceId, nowMs } = claim;
    const subject = result.tag === "taken" ? result.subject : claim.subject;
    const known = await this.#own.find(deviceId);
    if (known && known.subject !== subject) await this.#own.release(deviceId);
    const name = result.tag === "taken" ? known?.name : claim.name;
    if (result.tag === "taken" && !known) return;
    await this.#own.claim({
      deviceId,
      name: name ?? claim.name,
      subject,
      nowMs,
    });
  }
}

async function eachPage(
  store: DeviceStore,
  work: (page: readonly StoredDevice[]) => Promise<void>,
): Promise<void> {
  let after = 0;
  for (;;) {
    const page = await store.list({ limit: BATCH_MAX_COUNT, after });
    await work(page);
    const last = page.at(-1);
    if (!last) return;
    after = last.deviceId;
  }
}

/** Returns the fault of a store that does not answer; throws any other. */
function awayFault(error: unknown): Fault {
  const fault = Fault.from(error);
  if (fault.code !== "gatewayRefused") throw error;
  return fault;
}
