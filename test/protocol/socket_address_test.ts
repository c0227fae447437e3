import { expect, test } from "bun:test";
import {
  parseSocketAddress,
  printSocketAddress,
  socketAddressSchema,
} from "../../src/protocol/socket_address.ts";

test("parseSocketAddress() reads a name, IPv4, and IPv6 in brackets", () => {
  expect(parseSocketAddress("127.0.0.1:22"))
    .toEqual({ host: "127.0.0.1", port: 22 });
  expect(parseSocketAddress("db_1.example.org.:65535"))
    .toEqual({ host: "db_1.example.org.", port: 65_535 });
  expect(parseSocketAddress("[::1]:0")).toEqual({ host: "::1", port: 0 });
});

test("parseSocketAddress() refuses what is no host with a port", () => {
  const wrong = [
    ...["", "22", ":22", "host", "host:", "host:x", "host:-1", "host:65536"],
    ...["::1:22", "[::1]", "[127.0.0.1]:22", "[nonsense]:22", "[]:22"],
    ...["1.2.3:22", "1.2.3.400:22", "a b:22", "a..b:22", "-a:22", "a-:22"],
    ...["a/b:22", "user@host:22", "host:22 ", "host:22\n", "host:000022"],
    `${"a".repeat(254)}:22`,
  ];
  expect(wrong.filter((text) => parseSocketAddress(text) !== undefined))
    .toEqual([]);
});

test("printSocketAddress() writes what parseSocketAddress() reads", () => {
  const texts = ["127.0.0.1:22", "[::1]:8443", "host.example.org:0"];
  const printed = texts.flatMap((text) => {
    const address = parseSocketAddress(text);
    return address ? [printSocketAddress(address)] : [];
  });
  expect(printed).toEqual(texts);
});

test("socketAddressSchema() takes port 0 only where the system may choose", () => {
  const zero = { host: "127.0.0.1", port: 0 };
  expect(socketAddressSchema(0).parse("127.0.0.1:0")).toEqual(zero);
  const result = socketAddressSchema(1).safeParse("127.0.0.1:0");
  expect(result.error?.issues[0]?.message)
    .toBe("an address such as 127.0.0.1:8443 or [::1]:8443");
});
