import { expect, test } from "bun:test";
import { SharedDeviceStore } from "../../src/gateway/shared_device_store.ts";
import type {
  ClaimResult,
  DeviceClaim,
  DevicePage,
  RestorableStore,
  StoredDevice,
} from "../../src/policy/device_store.ts";
import { Fault } from "../../src/protocol/fault.ts";
import { rejection } from "../support/rejection.ts";

const ANA = "CN=ana";
const EVA = "CN=eva";

/** Devices in memory; it can be away. */
class ListStore implements RestorableStore {
  isAway = false;
  bug: unknown;
  readonly devices = new Map<number, StoredDevice>();

  claim(claim: DeviceClaim): ClaimResult {
    this.#check();
    const { deviceId, name, subject, nowMs } = claim;
    const known = this.devices.get(deviceId);
    if (known && known.subject !== subject) {
      return { tag: "taken", subject: known.subject };
    }
    const fresh = { deviceId, subject, services: [], boundAtMs: nowMs };
    this.devices.set(deviceId, { ...fresh, ...known, name, seenAtMs: nowMs });
    return { tag: known ? "bound" : "first" };
  }

  seen(deviceId: number, nowMs: number, services: readonly string[]): void {
    this.#check();
    const known = this.devices.get(deviceId);
    if (!known) return;
    this.devices.set(deviceId, { ...known, services, seenAtMs: nowMs });
  }

  find(deviceId: number): StoredDevice | undefined {
    this.#check();
    return this.devices.get(deviceId);
  }

  findByName(name: string): StoredDevice[] {
    this.#check();
    return [...this.devices.values()].filter((one) => one.name === name);
  }

  list({ limit, after }: DevicePage): StoredDevice[] {
    this.#check();
    return [...this.devices.values()]
      .filter(({ deviceId }) => deviceId > after)
      .sort((a, b) => a.deviceId - b.deviceId).slice(0, limit);
  }

  release(deviceId: number): boolean {
    this.#check();
    return this.devices.delete(deviceId);
  }

  restore(device: StoredDevice): Promise<void> {
    this.#check();
    const { deviceId } = device;
    if (!this.devices.has(deviceId)) this.devices.set(deviceId, device);
    return Promise.resolve();
  }

  #check(): void {
    if (this.bug !== undefined) throw this.bug;
    if (this.isAway) throw new Fault("gatewayRefused", "Redis is away");
  }
}

function makeStores() {
  const shared = new ListStore();
  const own = new ListStore();
  return { shared, own, store: new SharedDeviceStore(shared, own) };
}

function claimOf(deviceId: number, subject = ANA): DeviceClaim {
  return { deviceId, name: `aula-${deviceId}`, subject, nowMs: 1_000 };
}

test("SharedDeviceStore lets in by what all gateways know, and remembers it", async () => {
  const { own, shared, store } = makeStores();
  expect(await store.claim(claimOf(7))).toEqual({ tag: "first" });
  expect(await store.claim(claimOf(7, EVA)))
    .toEqual({ tag: "taken", subject: ANA });
  await store.seen(7, 2_000, ["ssh"]);
  expect(own.devices.get(7)).toEqual(shared.devices.get(7));
  expect(await store.find(7)).toMatchObject({ subject: ANA, seenAtMs: 2_000 });
});

test("SharedDeviceStore forgets what another gateway has released meanwhile", async () => {
  const { own, shared, store } = makeStores();
  await store.claim(claimOf(7));
  shared.release(7);
  expect(await store.claim(claimOf(7, EVA))).toEqual({ tag: "first" });
  expect(own.devices.get(7)?.subject).toBe(EVA);
  // And learns whom it belongs to from a claim that is refused.
  shared.release(7);
  shared.claim(claimOf(7, ANA));
  expect(await store.claim(claimOf(7, EVA)))
    .toEqual({ tag: "taken", subject: ANA });
  expect(own.devices.get(7)?.subject).toBe(ANA);
});

test("SharedDeviceStore lets in whom it knows while the shared store is away, and no other", async () => {
  const { shared, store } = makeStores();
  await store.claim(claimOf(7));
  await store.claim(claimOf(8, EVA));
  shared.isAway = true;
  expect(await store.claim(claimOf(7))).toEqual({ tag: "bound" });
  expect(await store.claim(claimOf(8))).toEqual({ tag: "taken", subject: EVA });
  expect(await rejection(store.claim(claimOf(9)))).toMatchObject({
    code: "gatewayRefused",
    message: "Cannot tell whom device 9 is bound to: Redis does not answer",
  });
  const listed = await store.list({ limit: 10, after: 0 });
  expect(listed.map(({ deviceId }) => deviceId)).toEqual([7, 8]);
  expect(await store.findByName("aula-8")).toEqual([listed[1] as StoredDevice]);
  shared.isAway = false;
  expect(shared.devices.has(9)).toBe(false);
  expect(await store.claim(claimOf(9))).toEqual({ tag: "first" });
});

test("SharedDeviceStore releases nothing while the shared store is away", async () => {
  const { own, shared, store } = makeStores();
  await store.claim(claimOf(7));
  shared.isAway = true;
  expect(await rejection(store.release(7)))
    .toMatchObject({ code: "gatewayRefused" });
  expect(own.devices.has(7)).toBe(true);
  shared.isAway = false;
  expect(await store.release(7)).toBe(true);
  expect([own.devices.size, shared.devices.size]).toEqual([0, 0]);
});

test("SharedDeviceStore tells an empty shared store all that it remembers, over no other", async () => {
  const { shared, store } = makeStores();
  for (let id = 1; id <= 600; id++) await store.claim(claimOf(id));
  const before = [...shared.devices.values()];
  shared.devices.clear();
  shared.claim(claimOf(600, EVA));
  await store.restore();
  expect(shared.list({ limit: 1_000, after: 0 }).slice(0, 599))
    .toEqual(before.slice(0, 599));
  expect(shared.find(600)?.subject).toBe(EVA);
});

test("SharedDeviceStore remembers all devices of all gateways, and forgets what was released", async () => {
  const { own, shared, store } = makeStores();
  for (let id = 1; id <= 600; id++) shared.claim(claimOf(id));
  shared.seen(7, 5_000, ["ssh"]);
  own.claim(claimOf(8, EVA));
  own.claim(claimOf(601));
  await store.copy(() => Promise.resolve(false));
  expect(own.devices.size).toBe(600);
  expect([own.devices.get(7)?.services, own.devices.get(8)?.subject])
    .toEqual([["ssh"], ANA]);
});

test("SharedDeviceStore forgets nothing when the shared store has lost its data", async () => {
  const { own, shared, store } = makeStores();
  for (let id = 1; id <= 3; id++) await store.claim(claimOf(id));
  shared.devices.clear();
  await store.copy(() => Promise.resolve(true));
  expect(own.devices.size).toBe(3);
});

test("SharedDeviceStore takes no other failure for a store that is away", async () => {
  const { shared, store } = makeStores();
  await store.claim(claimOf(7));
  shared.bug = new Fault("quotaExceeded", "Too many ids");
  expect(await rejection(store.claim(claimOf(7)))).toBe(shared.bug as Error);
  expect(await rejection(store.find(7))).toBe(shared.bug as Error);
});
