import { expect, test } from "bun:test";
import {
  isLoopbackHost,
  parseGatewayUrl,
} from "../../src/protocol/gateway_url.ts";

test("parseGatewayUrl() gives a bare origin the tunnel's path", () => {
  const read = (text: string) => parseGatewayUrl(text, false);
  expect(read("wss://mf.example.org")).toBe("wss://mf.example.org/tunnel");
  expect(read("wss://MF.example.org:443/")).toBe("wss://mf.example.org/tunnel");
  expect(read("wss://mf:8443/tunnel")).toBe("wss://mf:8443/tunnel");
  expect(read("wss://mf/tunnel/site-1")).toBe("wss://mf/tunnel/site-1");
});

test("parseGatewayUrl() allows plain ws: on this computer, or if it must", () => {
  expect(parseGatewayUrl("ws://127.0.0.1:8080", false))
    .toBe("ws://127.0.0.1:8080/tunnel");
  expect(parseGatewayUrl("ws://[::1]:8080", false))
    .toBe("ws://[::1]:8080/tunnel");
  expect(parseGatewayUrl("ws://mf.example.org", false)).toBeUndefined();
  expect(parseGatewayUrl("ws://mf.example.org", true))
    .toBe("ws://mf.example.org/tunnel");
});

test("parseGatewayUrl() refuses what is no gateway's address", () => {
  const wrong = [
    ...["", "mf.example.org", "https://mf.example.org", "wss:mf", "wss://"],
    ...["wss://mf/other", "wss://mf/tunnelled", "wss://mf/tunnel?a=1"],
    ...["wss://mf/tunnel#a", "wss://user:secret@mf/tunnel", "wss://user@mf"],
    ...["javascript://mf/tunnel", "wss://mf:99999", "wss://m f"],
    `wss://mf/tunnel/${"a".repeat(2_048)}`,
  ];
  expect(wrong.filter((text) => parseGatewayUrl(text, true) !== undefined))
    .toEqual([]);
});

test("isLoopbackHost() knows the names and addresses of this computer", () => {
  const here = ["localhost", "LOCALHOST", "a.localhost", "127.8.9.10", "[::1]"];
  here.push("[::ffff:127.0.0.1]");
  const elsewhere = ["localhost.example.org", "mf", "128.0.0.1", "[::2]", ""];
  elsewhere.push("notlocalhost", "0.0.0.0", "127.0.0.1.example.org");
  expect(here.filter((host) => !isLoopbackHost(host))).toEqual([]);
  expect(elsewhere.filter(isLoopbackHost)).toEqual([]);
});
