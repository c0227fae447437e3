import type { DeviceStore } from "../../src/policy/device_store.ts";

/** A store to which every device is welcome, and that remembers none. */
export const ANY_DEVICE: DeviceStore = {
  claim: () => ({ tag: "bound" }),
  seen: () => undefined,
  find: () => undefined,
  findByName: () => [],
  list: () => [],
  release: () => false,
};
