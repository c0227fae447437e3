import { expect, test } from "bun:test";
import { ListenerCache } from "../../src/runtime/listener_cache.ts";
import {
  portStates,
  type ProcTable,
} from "../../src/runtime/listening_ports.ts";

const SSH = new Set([22]);
const VNC = new Set([5_900]);

/** A computer on which nothing happens but what a test says. */
function makeComputer() {
  const reads: string[] = [];
  const computer = { nowMs: 0, changed: undefined as ProcTable | undefined };
  const cache = new ListenerCache({
    now: () => computer.nowMs,
    isSame: (name) => name !== computer.changed,
    read: (name, ports) => {
      reads.push(`${name} ${[...ports].join()}`);
      return new Set([`read ${reads.length}`]);
    },
  });
  return { cache, computer, reads };
}

test("ListenerCache reads once while there are as many sockets as before", () => {
  const { cache, computer, reads } = makeComputer();
  const found = [];
  for (computer.nowMs of [0, 10_000, 20_000, 59_999]) {
    found.push(cache.read("tcp", SSH));
  }
  expect(found).toEqual(found.map(() => new Set(["read 1"])));
  expect(reads).toEqual(["tcp 22"]);
});

test("ListenerCache reads the table again of which a socket has come or gone", () => {
  const { cache, computer, reads } = makeComputer();
  for (computer.changed of [undefined, "tcp", "tcp6", undefined] as const) {
    cache.read("tcp", SSH);
    cache.read("tcp6", SSH);
  }
  expect(reads).toEqual(["tcp 22", "tcp6 22", "tcp 22", "tcp6 22"]);
});

test("ListenerCache reads once a minute however quiet it is", () => {
  const { cache, computer } = makeComputer();
  cache.read("tcp", SSH);
  computer.nowMs = 60_000;
  expect(cache.read("tcp", SSH)).toEqual(new Set(["read 2"]));
});

test("ListenerCache reads at once for other ports", () => {
  const { cache, reads } = makeComputer();
  cache.read("tcp", SSH);
  cache.read("tcp", VNC);
  expect(reads).toEqual(["tcp 22", "tcp 5900"]);
});

test("ListenerCache sees who begins to listen on this computer", async () => {
  const cache = ListenerCache.create(() => 0);
  using listener = Bun.listen({
    hostname: "127.0.0.1",
    port: 0,
    socket: { data: () => undefined },
  });
  const address = [{ host: "127.0.0.1", port: listener.port }];
  expect(await portStates(address, cache)).toEqual(["open"]);
  listener.stop(true);
  expect(await portStates(address, cache)).toEqual(["closed"]);
});
