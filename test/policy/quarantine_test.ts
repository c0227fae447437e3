import { expect, test } from "bun:test";
import type { ClaimResult } from "../../src/policy/device_store.ts";
import { isQuarantined, quarantine } from "../../src/policy/quarantine.ts";

const DEVICE = { deviceId: 7, name: "a", subject: "CN=a", nowMs: 1 };

/** A store with one id, which its clones claim `rivalCount` times between. */
function rivalStore(rivalCount: number) {
  let holder: string | undefined = DEVICE.subject;
  let left = rivalCount;
  return {
    get holder() {
      return holder;
    },
    release: () => {
      const was = holder !== undefined;
      holder = left-- > 0 ? DEVICE.subject : undefined;
      return was;
    },
    claim: ({ subject }: { subject: string }): ClaimResult => {
      if (holder !== undefined && holder !== subject) {
        return { tag: "taken", subject: holder };
      }
      holder = subject;
      return { tag: "first" };
    },
  };
}

test("quarantine() binds the id to what no certificate is called, whoever is faster", async () => {
  for (const rivalCount of [0, 1, 4]) {
    const store = rivalStore(rivalCount);
    expect(await quarantine(DEVICE, store)).toBe(true);
    expect(isQuarantined(store.holder ?? "")).toBe(true);
    expect(store.holder).toEndWith(DEVICE.subject);
  }
});

test("quarantine() says so when it could not", async () => {
  const store = rivalStore(100);
  expect(await quarantine(DEVICE, store)).toBe(false);
  expect(isQuarantined(store.holder ?? "")).toBe(false);
});
