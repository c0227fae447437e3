import { expect, test } from "bun:test";
import { connect, createServer, type Server } from "node:net";
import type { AddressInfo } from "node:net";
import { networkInterfaces } from "node:os";
import { portState, portStates } from "../../src/runtime/listening_ports.ts";

interface Listener extends AsyncDisposable {
  readonly port: number;
  readonly acceptedCount: () => number;
}

/** Listens on a free port; undefined where the machine lacks the address. */
async function listen(host: string): Promise<Listener | undefined> {
  let acceptedCount = 0;
  const server = createServer((socket) => {
    acceptedCount++;
    socket.destroy();
  });
  const error = await new Promise((resolve) => {
    server.once("error", resolve);
    server.listen(0, host, () => resolve(undefined));
  });
  if (error) return undefined;
  return {
    port: (server.address() as AddressInfo).port,
    acceptedCount: () => acceptedCount,
    [Symbol.asyncDispose]: () => closed(server),
  };
}

function closed(server: Server): Promise<void> {
  return new Promise((resolve) => server.close(() => resolve()));
}

test("portStates() tells open from closed, on every kind of listener", async () => {
  await using ipv4 = await listen("127.0.0.1");
  await using any4 = await listen("0.0.0.0");
  await using ipv6 = await listen("::1");
  await using any6 = await listen("::");
  const gone = await listen("127.0.0.1");
  if (!ipv4 || !any4 || !gone) throw new Error("Expected IPv4");
  await gone[Symbol.asyncDispose]();
  const rows: [string, number, string][] = [
    ["127.0.0.1", ipv4.port, "open"],
    ["localhost", ipv4.port, "open"],
    ["LOCALHOST", ipv4.port, "open"],
    ["127.0.0.2", ipv4.port, "closed"],
    ["::1", ipv4.port, "closed"],
    ["127.0.0.1", any4.port, "open"],
    ["127.0.0.2", any4.port, "open"],
    ["::1", any4.port, "closed"],
    ["127.0.0.1", gone.port, "closed"],
    ["localhost", gone.port, "closed"],
  ];
  if (ipv6) {
    rows.push(
      ["::1", ipv6.port, "open"],
      ["localhost", ipv6.port, "open"],
      ["127.0.0.1", ipv6.port, "closed"],
    );
  }
  if (any6) {
    rows.push(["::1", any6.port, "open"], ["127.0.0.1", any6.port, "open"]);
  }
  const states = await portStates(rows.map(([host, port]) => ({ host, port })));
  expect(rows.map(([host, port], i) => [host, port, states[i]]))
    .toEqual(rows);
});

test("portStates() knows the addresses of this computer", async () => {
  const own = Object.values(networkInterfaces())
    .flatMap((entries) => entries ?? [])
    .filter(({ family, internal }) => family === "IPv4" && !internal)
    .map(({ address }) => address);
  await using any = await listen("0.0.0.0");
  const port = any?.port ?? 0;
  const states = await portStates(own.map((host) => ({ host, port })));
  expect(states).toEqual(own.map(() => "open"));
});

test("portStates() does not guess about other computers", async () => {
  await using any = await listen("0.0.0.0");
  const port = any?.port ?? 0;
  const hosts = [
    "192.0.2.1",
    "2001:db8::1",
    "db.example.org",
    "",
    "127.0.0.999",
  ];
  const states = await portStates(hosts.map((host) => ({ host, port })));
  expect(states).toEqual(hosts.map(() => "unknown"));
  const mixed = [{ host: "192.0.2.1", port }, { host: "127.0.0.1", port }];
  expect(await portStates(mixed)).toEqual(["unknown", "open"]);
  expect(await portStates([])).toEqual([]);
});

test("portState() connects to nobody", async () => {
  await using listener = await listen("127.0.0.1");
  if (!listener) throw new Error("Expected IPv4");
  const { port } = listener;
  expect(await portState({ host: "127.0.0.1", port })).toBe("open");
  // A real connection comes after any that was made before it.
  const probe = connect(port, "127.0.0.1");
  await new Promise((resolve) => probe.once("close", resolve));
  expect(listener.acceptedCount()).toBe(1);
});
