import { connect, createServer, type Socket } from "node:net";
import type { AddressInfo } from "node:net";
import { dialTcp, listenTcp } from "../../src/runtime/tcp_socket.ts";
import type { ByteSocket } from "../../src/transport/byte_socket.ts";
import {
  type Bench,
  testByteSocketContract,
} from "../contract/byte_socket_contract.ts";
import {
  type ProgramName,
  PROGRAMS,
} from "../contract/byte_socket_programs.ts";
import { rawFarEnd } from "./raw_far_end.ts";

const LOOPBACK = { host: "127.0.0.1", port: 0 };

testByteSocketContract({
  name: "An accepted TCP socket",
  open: openAccepted,
  knowsReset: true,
});

testByteSocketContract({
  name: "A dialed TCP socket",
  open: openDialed,
  knowsReset: true,
});

async function openAccepted(program: ProgramName): Promise<Bench> {
  const accepted = Promise.withResolvers<ByteSocket>();
  const listener = await listenTcp(LOOPBACK, accepted.resolve);
  const { host, port } = listener;
  const raw = connect({ host, port, allowHalfOpen: true });
  const bench = run(program, await accepted.promise, raw);
  await listener[Symbol.asyncDispose]();
  return bench;
}

async function openDialed(program: ProgramName): Promise<Bench> {
  const accepted = Promise.withResolvers<Socket>();
  const server = createServer({ allowHalfOpen: true }, accepted.resolve);
  await new Promise<void>((resolve) => server.listen(LOOPBACK, resolve));
  const { port } = server.address() as AddressInfo;
  const address = { host: LOOPBACK.host, port };
  const socket = await dialTcp(address, 5_000, new AbortController().signal);
  const bench = run(program, socket, await accepted.promise);
  server.close();
  return bench;
}

function run(program: ProgramName, socket: ByteSocket, raw: Socket): Bench {
  raw.setNoDelay(true);
  const cue = Promise.withResolvers<void>();
  return {
    far: rawFarEnd(raw),
    report: PROGRAMS[program](socket, cue.promise),
    cue: () => {
      cue.resolve();
      return Promise.resolve();
    },
    [Symbol.asyncDispose]: () => {
      raw.destroy();
      socket.reset();
      return Promise.resolve();
    },
  };
}
