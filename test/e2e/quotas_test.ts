import { expect, test } from "bun:test";
import { auditRecords, operate } from "../support/operator.ts";
import { BINARY, Site } from "../support/site.ts";
import { dialTest, echoOnce, serveTcp } from "../support/tcp_peer.ts";

const CASES = [
  ["tunnels_per_operator_max", /^Cannot open tunnel: operator maria has 1/],
  ["tunnels_per_device_max", /^Cannot open tunnel: device 7 has 1/],
  [
    "tunnels_per_address_max",
    /^Cannot open tunnel: address 127\.0\.0\.1 has 1/,
  ],
] as const;

for (const [key, sentence] of CASES) {
  test(
    `limits.${key} refuses one tunnel more, and frees it again`,
    async () => {
      await using site = await Site.create();
      const echo = site.own(
        await serveTcp((socket) => void socket.pipe(socket)),
      );
      const gateway = await site.gateway({ tables: `[limits]\n${key} = 1` });
      const operator = await site.identity("operator", "maria");
      const { url } = gateway;
      await site.agent({ id: 7, url, services: { echo: echo.port } });
      const args = ["connect", "7", "echo"];
      const flags = site.operatorFlags(url, operator);
      const listener = site.start(
        [BINARY, ...args, "--listen", "127.0.0.1:0", ...flags],
      );
      const line = await listener.line(/^listening /);
      const port = Number(line.split(":").at(-1));
      const client = await dialTest(port);
      await echoOnce(client.socket, 1);

      const refused = await operate(site, url, operator, [...args, "--stdio"]);
      expect({ status: refused.status, sentence: refused.sentence }).toEqual({
        status: 69,
        sentence: expect.stringMatching(sentence) as unknown as string,
      });
      const records = await auditRecords(site);
      expect(records.at(-1)).toMatchObject({
        event: "tunnel.refused",
        code: "quotaExceeded",
        deviceId: 7,
      });

      client.socket.end();
      await client.ended;
      await gateway.child.line(/tunnel\.close .*code=ok/);
      using next = await dialTest(port);
      await echoOnce(next.socket, 1);
    },
    30_000,
  );
}
