import { expect, test } from "bun:test";
import { listenForTunnels } from "../../src/connect/listen.ts";
import { Fault } from "../../src/protocol/fault.ts";
import type { ByteSocket } from "../../src/transport/byte_socket.ts";
import type { Link } from "../../src/transport/link.ts";
import { MemorySocket } from "../support/memory_socket.ts";
import { rejection } from "../support/rejection.ts";
import { V1Bench } from "./v1_bench.ts";

test("a connection above the limit waits for its place, and is refused only when hundreds do", async () => {
  const bench = new V1Bench();
  const dials: PromiseWithResolvers<Link>[] = [];
  const failed: string[] = [];
  let arrive: (socket: ByteSocket, from: string) => void = () => undefined;
  const stop = new AbortController();
  const ports = {
    ...bench.ports,
    dial: () => {
      const dial = Promise.withResolvers<Link>();
      dials.push(dial);
      return dial.promise;
    },
    listen: (_address: unknown, onSocket: typeof arrive) => {
      arrive = onSocket;
      return Promise.resolve({
        host: "127.0.0.1",
        port: 1,
        [Symbol.asyncDispose]: () => Promise.resolve(),
      });
    },
    failed: (fault: Fault) => void failed.push(fault.code),
  };
  const ended = rejection(listenForTunnels(
    { deviceId: 7, service: "ssh" },
    { host: "127.0.0.1", port: 0 },
    ports,
    () => undefined,
    stop.signal,
  ));
  await bench.settle();
  const sockets = Array.from({ length: 321 }, () => new MemorySocket());
  for (const socket of sockets) arrive(socket, "127.0.0.1");
  await bench.settle();
  expect([dials.length, failed]).toEqual([64, ["quotaExceeded"]]);
  expect(sockets.filter(({ calls }) => calls.includes("reset")).length).toBe(1);
  dials[0]?.reject(new Fault("deviceOffline", "It has gone"));
  await bench.settle();
  expect([dials.length, failed]).toEqual([
    65,
    ["quotaExceeded", "deviceOffline"],
  ]);
  stop.abort(new Fault("tunnelCancelled", "Stopped by SIGINT"));
  for (let i = 0; i < 320; i++) {
    dials[i]?.reject(stop.signal.reason);
    await bench.settle();
  }
  expect((await ended as Fault).code).toBe("tunnelCancelled");
  expect(sockets.every(({ calls }) => calls.includes("reset"))).toBe(true);
});
