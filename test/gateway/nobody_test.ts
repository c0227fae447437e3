import { expect, test } from "bun:test";
import type { AdmitPorts, IdentitySource } from "../../src/gateway/admit.ts";
import { V1GatewayBench, type Who } from "./v1_gateway_bench.ts";

const NOBODY: Who = { name: "" };
const PEER = "192.0.2.7";

/** Behind a proxy, as whose callers the bench's peers come. */
function behindProxy(
  changed: Partial<AdmitPorts & Extract<IdentitySource, { tag: "header" }>>,
): { identity: AdmitPorts } {
  return {
    identity: {
      source: {
        tag: "header",
        name: "X-SSL-Client-CN",
        trusts: changed.trusts ?? ((address) => address === PEER),
        isInternal: changed.isInternal ?? (() => false),
      },
      isRevoked: () => false,
      servesNobody: changed.servesNobody ?? false,
      wallNow: () => 0,
    },
  };
}

const EMPTY = { "x-ssl-client-cn": "" };
const AGENT = { "x-ssl-client-cn": "/O=mf.test/OU=COMPUTERS/CN=uuid-7_1" };

test("a caller without a certificate is refused unless the configuration says otherwise", async () => {
  const bench = await V1GatewayBench.create(behindProxy({}));
  for (const headers of [{}, EMPTY]) {
    const nobody = bench.dial(NOBODY, {}, headers);
    expect((await nobody.ended()).code).toBe(4401);
    expect(nobody.messages).toEqual([]);
  }
  expect(bench.log.lines.join()).toContain("certificateMissing");
});

test("callers without certificates are what they say first, where that is allowed", async () => {
  const bench = await V1GatewayBench.create(
    behindProxy({ servesNobody: true }),
  );
  for (const headers of [{}, EMPTY]) {
    const agent = bench.dial(NOBODY, {}, headers);
    agent.register(7);
    await agent.heard("registration_ok");
    const operator = bench.dial(NOBODY, {}, headers);
    operator.start(7, "cli-1");
    const asked = await agent.heard("start_tcp_tunnel");
    expect(asked["client_cn"]).toBe("nobody");
    agent.data(String(asked["tunnel_id"]), "SSH");
    await operator.heard("tunnel_started");
    expect(bench.records.at(-1)).toMatchObject({
      event: "tunnel.opened",
      operator: "nobody",
      operatorSubject: `nobody: ${PEER}`,
    });
    operator.link.terminate();
    await agent.heard("close_tcp_tunnel");
  }
  expect(bench.store.find(7)?.subject).toBe("nobody: device 7");
});

test("a caller whom nobody vouches for is refused where the proxy's are served", async () => {
  const ports = behindProxy({ servesNobody: true, trusts: () => false });
  const bench = await V1GatewayBench.create(ports);
  const nobody = bench.dial(NOBODY);
  expect((await nobody.ended()).code).toBe(4401);
});

test("a certificate takes a device from nobody, and nobody takes it back", async () => {
  const bench = await V1GatewayBench.create(
    behindProxy({ servesNobody: true }),
  );
  const nobody = bench.dial(NOBODY, {}, EMPTY);
  nobody.register(7);
  await nobody.heard("registration_ok");
  const somebody = bench.dial(NOBODY, {}, AGENT);
  somebody.register(7);
  await somebody.heard("registration_ok");
  expect(bench.records.map(({ event }) => event))
    .toEqual(["device.bound", "device.released", "device.bound"]);
  const again = bench.dial(NOBODY, {}, EMPTY);
  again.register(7);
  expect((await again.ended()).code).toBe(4407);
});

test("the site's own programs are operators, if they come directly and without the header", async () => {
  const isInternal = (address: string) => address === PEER;
  const bench = await V1GatewayBench.create(behindProxy({ isInternal }));
  const agent = bench.dial(NOBODY, {}, AGENT);
  agent.register(7);
  await agent.heard("registration_ok");
  const manager = bench.dial(NOBODY, { path: "/" });
  manager.start(7, "web-1", "exec");
  await manager.heard("tunnel_started");
  manager.execute(7, "web-2", "migasfree sync");
  expect((await agent.heard("execute_command"))["client_cn"]).toBe("manager");
  const others = [
    EMPTY,
    { "x-forwarded-for": "198.51.100.1" },
    { forwarded: "for=198.51.100.1" },
    { via: "1.1 proxy" },
  ];
  for (const headers of others) {
    const other = bench.dial(NOBODY, {}, headers);
    expect((await other.ended()).code).toBe(4401);
  }
  // Nor is it an agent.
  const impostor = bench.dial(NOBODY);
  impostor.register(8);
  expect((await impostor.ended()).code).toBe(4406);
});
