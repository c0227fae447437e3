import { test } from "bun:test";
import { ManualClock } from "../support/manual_clock.ts";
import { MemoryStore } from "../support/memory_store.ts";
import { testSharedStoreContract } from "./shared_store_contract.ts";

testSharedStoreContract("A store in memory", () => {
  const clock = new ManualClock();
  const store = new MemoryStore(clock);
  return Promise.resolve({
    store,
    pass: (ms) => clock.advance(ms),
    hear: (channel) => {
      const heard: string[] = [];
      store.hear(channel, (text) => heard.push(text));
      return Promise.resolve(heard);
    },
    [Symbol.asyncDispose]: () => Promise.resolve(),
  });
}, test);
