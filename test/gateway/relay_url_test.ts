import { expect, test } from "bun:test";
import type { IdentitySource } from "../../src/gateway/admit.ts";
import { relayUrl } from "../../src/gateway/relay_url.ts";

const TLS: IdentitySource = { tag: "certificate" };
const PROXY: IdentitySource = {
  tag: "header",
  name: "X-Subject",
  trusts: (address) => address === "10.0.0.1",
  isInternal: () => false,
};

function url(
  headers: Readonly<Record<string, string>>,
  source: IdentitySource = TLS,
  peerAddress = "10.0.0.1",
): string | undefined {
  const header = (name: string) => headers[name];
  return relayUrl(
    { peerAddress, certificate: undefined, header },
    undefined,
    source,
  );
}

test("relayUrl() is what the configuration says, whatever is asked", () => {
  const caller = {
    peerAddress: "10.0.0.1",
    certificate: undefined,
    header: () => "evil.test",
  };
  expect(relayUrl(caller, "wss://gw.test/tunnel", TLS))
    .toBe("wss://gw.test/tunnel");
});

test("relayUrl() is where the request was sent to, with its port", () => {
  const hosts = ["gw.test", "gw.test:8443", "192.0.2.1:1", "[2001:db8::1]:80"];
  for (const host of hosts) {
    expect(url({ host })).toBe(`wss://${host}/tunnel`);
  }
});

test("relayUrl() is plain unless a trusted proxy says that it speaks TLS", () => {
  const host = "gw.test";
  const secure = { host, "x-forwarded-proto": "https" };
  expect(url(secure, PROXY)).toBe("wss://gw.test/tunnel");
  expect(url(secure, PROXY, "10.0.0.2")).toBe("ws://gw.test/tunnel");
  expect(url({ host }, PROXY)).toBe("ws://gw.test/tunnel");
});

test("relayUrl() makes nothing of a host that is none", () => {
  const hosts = ["", "a b", "a/b", "a@b", "a:x", "a:123456", "[::1", "a\u0000"];
  for (const host of hosts) expect(url({ host })).toBeUndefined();
  expect(url({})).toBeUndefined();
});
