import { expect, test } from "bun:test";
import { agentRow, onlineAgents } from "../../src/gateway/online_agents.ts";
import type { StoredDevice } from "../../src/policy/device_store.ts";

function device(deviceId: number, name = `aula-${deviceId}`): StoredDevice {
  const services = ["vnc", "exec", "ssh"];
  const rest = { subject: "CN=x", services, boundAtMs: 0, seenAtMs: 0 };
  return { deviceId, name, ...rest };
}

test("onlineAgents() reads all of a long list, and keeps who is online", async () => {
  const devices = Array.from({ length: 25_000 }, (_, at) => device(at + 1));
  let pageCount = 0;
  const found = await onlineAgents({
    list: ({ after, limit }) => {
      pageCount++;
      return devices.filter(({ deviceId }) => deviceId > after).slice(0, limit);
    },
  }, (ids) => Promise.resolve(new Set(ids.filter((id) => id % 5_000 === 0))));
  expect(found.map(({ deviceId }) => deviceId))
    .toEqual([5_000, 10_000, 15_000, 20_000, 25_000]);
  expect(pageCount).toBe(3);
});

test("agentRow() is what migasfree's manager says of an agent, in harmless text", () => {
  expect(
    agentRow(device(7, "aula\u001b[31m"), "wss://[2001:db8::1]:8443/tunnel"),
  )
    .toEqual({
      id: 7,
      name: "aula?[31m [CID-7]",
      services: ["vnc", "ssh"],
      mode: "tcp_tunnel",
      relay: "wss://[2001:db8::1]:8443/tunnel",
      server_ip: "[2001:db8::1]",
    });
});
