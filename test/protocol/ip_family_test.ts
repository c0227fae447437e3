import { expect, test } from "bun:test";
import { isIP } from "node:net";
import { ipFamily } from "../../src/protocol/ip_family.ts";

test("ipFamily() knows what node:net knows", () => {
  const texts = [
    ...["127.0.0.1", "0.0.0.0", "255.255.255.255", "10.1.2.3"],
    ...["256.0.0.1", "1.2.3", "1.2.3.4.5", "1.2.3.4%eth0", "01.2.3.4", ""],
    ...["::", "::1", "2001:db8::1", "::ffff:1.2.3.4", "1:2:3:4:5:6:7:8"],
    ...["fe80::1%eth0", "fe80::1%", "fe80::1%a%b", "[::1]", "1::2::3", ":"],
    ...["localhost", "ssh.example.org", "*", "12345::", "g::1", "1.2.3.4:22"],
  ];
  expect(texts.map((text) => [text, ipFamily(text)]))
    .toEqual(texts.map((text) => [text, isIP(text) as 0 | 4 | 6]));
});
