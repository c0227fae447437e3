import type { DeviceStore } from "./device_store.ts";

/** No certificate has a subject that begins like this. */
const MARK = "quarantined: ";

/** Claims of the clones may come in between; more often is somebody's plan. */
const TRIES_MAX_COUNT = 5;

/** Returns whether a device id is kept from everybody, by its subject. */
export function isQuarantined(subject: string): boolean {
  return subject.startsWith(MARK);
}

/**
 * Keeps a device id from everybody, until a person releases it: it is bound
 * to a subject that no certificate has. Works wherever bindings are kept, for
 * all who share them.
 *
 * Returns false if it could not: each time somebody else was faster.
 */
export async function quarantine(
  device: {
    readonly deviceId: number;
    readonly name: string;
    readonly subject: string;
    readonly nowMs: number;
  },
  store: Pick<DeviceStore, "claim" | "release">,
): Promise<boolean> {
  const subject = `${MARK}${device.subject}`;
  for (let tries = 0; tries < TRIES_MAX_COUNT; tries++) {
    await store.release(device.deviceId);
    const claim = await store.claim({ ...device, subject });
    if (claim.tag === "first" || claim.tag === "bound") return true;
    if (isQuarantined(claim.subject)) return true;
  }
  return false;
}
