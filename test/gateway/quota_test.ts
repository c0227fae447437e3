import { expect, test } from "bun:test";
import { Quota } from "../../src/gateway/quota.ts";
import { Fault } from "../../src/protocol/fault.ts";

/** What `quota` answers to one more for `key`. */
function refusal(quota: Quota, key: string, name?: string) {
  try {
    quota.take(key, name);
  } catch (error) {
    if (!(error instanceof Fault)) throw error;
    return { code: error.code, message: error.message, hint: error.hint };
  }
  return "taken";
}

test("take() refuses one more than the maximum and says what is exhausted", () => {
  const quota = new Quota("operator", 2);
  quota.take("maria");
  quota.take("maria");
  expect(refusal(quota, "maria")).toEqual({
    code: "quotaExceeded",
    message: "Cannot open tunnel: operator maria has 2 tunnels open, the limit",
    hint: "Close some of them, or raise limits.tunnels_per_operator_max " +
      "of the gateway",
  });
});

test("take() names links, and the gateway itself, where those are counted", () => {
  const perAddress = new Quota("address", 0, "links");
  expect(refusal(perAddress, "192.0.2.7")).toEqual({
    code: "quotaExceeded",
    message: "Cannot open link: address 192.0.2.7 has 0 links open, the limit",
    hint: "Close some of them, or raise limits.links_per_address_max " +
      "of the gateway",
  });
  const all = new Quota("gateway", 0, "links");
  expect(refusal(all, "all")).toEqual({
    code: "quotaExceeded",
    message: "Cannot open link: the gateway has 0 links open, the limit",
    hint: "Close some of them, or raise limits.links_max of the gateway",
  });
});

test("take() shows the name instead of the key, as harmless and short text", () => {
  const quota = new Quota("operator", 0);
  expect(refusal(quota, "CN=maria,O=x", "ma\nria")).toEqual({
    code: "quotaExceeded",
    message:
      "Cannot open tunnel: operator ma?ria has 0 tunnels open, the limit",
    hint: "Close some of them, or raise limits.tunnels_per_operator_max " +
      "of the gateway",
  });
  const { message } = refusal(quota, "x".repeat(10_000)) as Fault;
  expect(message.length).toBeLessThan(256);
});

test("take() counts each key for itself", () => {
  const quota = new Quota("device", 1);
  quota.take("7");
  expect(refusal(quota, "8")).toBe("taken");
  expect(refusal(quota, "7")).not.toBe("taken");
});

test("take() gives a place back when it is disposed, and only once", () => {
  const quota = new Quota("device", 2);
  const first = quota.take("7");
  quota.take("7");
  first[Symbol.dispose]();
  first[Symbol.dispose]();
  expect(refusal(quota, "7")).toBe("taken");
  expect(refusal(quota, "7")).not.toBe("taken");
});

test("take() keeps no key of which nothing is open", () => {
  const quota = new Quota("address", 8);
  for (let host = 0; host < 1_000; host++) {
    using _once = quota.take(`10.0.0.${host}`);
    using _twice = quota.take(`10.0.0.${host}`);
    expect(quota.keyCount).toBe(1);
  }
  expect(quota.keyCount).toBe(0);
});

test("take() counts nothing that it refused", () => {
  const quota = new Quota("address", 1);
  const held = quota.take("a");
  refusal(quota, "a");
  held[Symbol.dispose]();
  expect(quota.keyCount).toBe(0);
});
