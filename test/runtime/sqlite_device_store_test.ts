import { expect, test } from "bun:test";
import { openDeviceStore } from "../../src/runtime/sqlite_device_store.ts";
import {
  ANA,
  claimed,
  claimFor,
  EVA,
  testDeviceStore,
} from "../contract/device_store_contract.ts";
import { makeTemporaryDir } from "../support/temporary_dir.ts";

testDeviceStore(async () => {
  const dir = await makeTemporaryDir();
  const store = openDeviceStore(dir.path);
  return {
    store,
    [Symbol.asyncDispose]: async () => {
      store[Symbol.dispose]();
      await dir[Symbol.asyncDispose]();
    },
  };
});

test("what was claimed is there when the store is opened again", async () => {
  await using dir = await makeTemporaryDir();
  {
    using store = openDeviceStore(dir.path);
    await claimFor(store, 7);
  }
  using store = openDeviceStore(dir.path);
  expect(await claimFor(store, 7, EVA)).toEqual({ tag: "taken", subject: ANA });
  expect(store.list({ limit: 10, after: 0 })).toEqual([claimed(7)]);
});
