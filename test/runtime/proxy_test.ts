import { expect, test } from "bun:test";
import { Fault } from "../../src/protocol/fault.ts";
import { proxyFor, redactUrl } from "../../src/runtime/proxy.ts";

const PROXY = "http://proxy:3128";

function isDirect(url: string, noProxy: string): boolean {
  return proxyFor(url, PROXY, { NO_PROXY: noProxy }) === undefined;
}

test("proxyFor() goes by our own configuration before the environment", () => {
  const env = { HTTPS_PROXY: "http://other:3128" };
  expect(proxyFor("wss://mf/tunnel", PROXY, env)).toBe(PROXY);
  expect(proxyFor("wss://mf/tunnel", PROXY, {})).toBe(PROXY);
});

test("proxyFor() takes the variable that is for the scheme", () => {
  const env = { HTTPS_PROXY: "http://secure:1", HTTP_PROXY: "http://plain:1" };
  const urls = ["wss://mf", "https://mf", "ws://mf", "http://mf"];
  expect(urls.map((url) => proxyFor(url, undefined, env)))
    .toEqual([
      "http://secure:1",
      "http://secure:1",
      "http://plain:1",
      "http://plain:1",
    ]);
});

test("proxyFor() knows lower-case names, and one for all schemes", () => {
  const find = (env: Record<string, string>) =>
    proxyFor("wss://mf", undefined, env);
  expect(find({ https_proxy: "http://a:1" })).toBe("http://a:1");
  expect(find({ ALL_PROXY: "http://b:1" })).toBe("http://b:1");
  expect(find({ all_proxy: "http://c:1" })).toBe("http://c:1");
  expect(find({ HTTPS_PROXY: "http://d:1", ALL_PROXY: "http://b:1" }))
    .toBe("http://d:1");
  expect(find({ HTTPS_PROXY: "", https_proxy: "http://e:1" }))
    .toBe("http://e:1");
  expect(find({ HTTP_PROXY: "http://f:1" })).toBeUndefined();
  expect(find({})).toBeUndefined();
});

test("proxyFor() takes a bare host and port from the environment alone", () => {
  expect(proxyFor("wss://mf", undefined, { HTTPS_PROXY: "proxy:3128" }))
    .toBe("http://proxy:3128");
  expect(() => proxyFor("wss://mf", "proxy:3128", {})).toThrow(Fault);
});

test("proxyFor() reaches this computer directly, unless configured otherwise", () => {
  const env = { HTTPS_PROXY: PROXY };
  const urls = ["wss://localhost:1", "wss://127.0.0.1:1", "wss://[::1]:1"];
  expect(urls.map((url) => proxyFor(url, undefined, env)))
    .toEqual([undefined, undefined, undefined]);
  expect(urls.map((url) => proxyFor(url, PROXY, {})))
    .toEqual([PROXY, PROXY, PROXY]);
});

test("proxyFor() honours NO_PROXY for both, in either case", () => {
  const env = { HTTPS_PROXY: PROXY, "no_proxy": "mf.example.org" };
  expect(proxyFor("wss://mf.example.org", undefined, env)).toBeUndefined();
  expect(proxyFor("wss://mf.example.org", PROXY, env)).toBeUndefined();
  expect(proxyFor("wss://other", undefined, env)).toBe(PROXY);
});

test("proxyFor() matches names of NO_PROXY, and what is under them", () => {
  const url = "wss://a.example.org/tunnel";
  const entries = ["a.example.org", "A.EXAMPLE.ORG.", "example.org"];
  entries.push(".example.org", "*.example.org", "*", "x, example.org", "x y *");
  expect(entries.filter((entry) => !isDirect(url, entry))).toEqual([]);
  const others = ["", ",", "b.example.org", "ample.org", "x.a.example.org"];
  others.push("a.example", "*.a.example.org", "a.*.org");
  expect(others.filter((entry) => isDirect(url, entry))).toEqual([]);
  expect(isDirect("wss://example.org", ".example.org")).toBe(true);
  expect(isDirect("wss://example.org", "*.example.org")).toBe(false);
});

test("proxyFor() matches a port of NO_PROXY, and the one a scheme implies", () => {
  expect(isDirect("wss://mf:8443", "mf:8443")).toBe(true);
  expect(isDirect("wss://mf:8444", "mf:8443")).toBe(false);
  expect(isDirect("wss://mf", "mf:443")).toBe(true);
  expect(isDirect("ws://mf", "mf:80")).toBe(true);
  expect(isDirect("ws://mf", "mf:443")).toBe(false);
  expect(isDirect("wss://10.1.2.3:8443", "10.1.2.3:8443")).toBe(true);
  expect(isDirect("wss://[2001:db8::1]:8443", "[2001:db8::1]:8443")).toBe(true);
  expect(isDirect("wss://[2001:db8::1]:8443", "[2001:db8::1]:443")).toBe(false);
});

test("proxyFor() matches addresses and ranges of NO_PROXY", () => {
  expect(isDirect("wss://10.1.2.3", "10.0.0.0/8")).toBe(true);
  expect(isDirect("wss://11.1.2.3", "10.0.0.0/8")).toBe(false);
  expect(isDirect("wss://10.1.2.3", "10.1.2.3")).toBe(true);
  expect(isDirect("wss://[2001:db8::1]", "2001:db8::/32")).toBe(true);
  expect(isDirect("wss://[2001:db8::1]", "2001:0db8:0::1")).toBe(true);
  expect(isDirect("wss://[2001:db8::1]", "[2001:db8::1]")).toBe(true);
  expect(isDirect("wss://mf", "0.0.0.0/0")).toBe(false);
});

test("proxyFor() refuses what is no HTTP proxy, and hides the password", () => {
  function refused(proxy: string, env = {}): unknown[] {
    try {
      return [proxyFor("wss://mf", proxy, env)];
    } catch (error) {
      const { code, message } = Fault.from(error);
      return [code, message];
    }
  }
  const end = "it is no http:// or https:// URL";
  expect(refused("socks5://ana:secret@proxy:1080")).toEqual([
    "configInvalid",
    `Cannot use proxy socks5://ana:***@proxy:1080: ${end}`,
  ]);
  expect(refused("ana:secret@proxy:3128"))
    .toEqual(["configInvalid", `Cannot use proxy ***@proxy:3128: ${end}`]);
  expect(refused("http://")).toEqual([
    "configInvalid",
    `Cannot use proxy http://: ${end}`,
  ]);
  expect(refused("https://ana:secret@proxy"))
    .toEqual(["https://ana:secret@proxy"]);
});

test("proxyFor() names the variable that is wrong", () => {
  const env = { ALL_PROXY: "socks5://proxy:1080" };
  expect(() => proxyFor("wss://mf", undefined, env))
    .toThrow("Cannot use ALL_PROXY socks5://proxy:1080");
});

test("redactUrl() hides the password and nothing else", () => {
  expect(redactUrl("http://ana:sec%40ret@proxy:3128/"))
    .toBe("http://ana:***@proxy:3128/");
  expect(redactUrl("http://proxy:3128")).toBe("http://proxy:3128");
  expect(redactUrl("http://ana@proxy:3128")).toBe("http://ana@proxy:3128");
  expect(redactUrl("ana:s@cret@proxy:3128")).toBe("***@proxy:3128");
  expect(redactUrl("http://ana:secret@pro xy")).toBe("***@pro xy");
  expect(redactUrl("nothing to hide")).toBe("nothing to hide");
});
