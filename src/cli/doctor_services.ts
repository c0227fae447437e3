import type { ServiceAddress } from "../agent/ports.ts";
import { type BannerProbe, bannerProbe } from "../agent/banner.ts";
import { Fault } from "../protocol/fault.ts";
import { printSocketAddress } from "../protocol/socket_address.ts";
import { dialTcp } from "../runtime/tcp_socket.ts";
import type { ByteSocket } from "../transport/byte_socket.ts";
import { type Finding, finding } from "./doctor_command.ts";

const LOOK_TIMEOUT_MS = 5_000;

/** Connects to each service, and looks at what it says. */
export async function checkServices(
  services: ReadonlyMap<string, ServiceAddress>,
): Promise<Finding[]> {
  const names = [...services];
  return await Promise.all(
    names.map(([name, address]) =>
      finding(`service ${name}`, () => look(name, address))
    ),
  );
}

async function look(
  name: string,
  address: ServiceAddress,
): Promise<string | Finding> {
  const check = `service ${name}`;
  const where = printSocketAddress(address);
  const { signal } = new AbortController();
  let socket: ByteSocket;
  try {
    socket = await dialTcp(address, LOOK_TIMEOUT_MS, signal);
  } catch (error) {
    // Nobody has to offer every service: it is not the agent's illness.
    const detail = Fault.from(error).message;
    const hint = `Start the service, or take it out of [services]`;
    return { check, result: "WARN", detail, hint };
  }
  const probe = bannerProbe(name);
  if (!probe) {
    socket.reset();
    return `${where} accepts connections`;
  }
  const found = await recognise(socket, probe);
  if (found !== undefined) return `${where} says ${found}`;
  return {
    check,
    result: "FAIL",
    detail: `${where} is open, but what listens there is no ${name} server`,
    hint: `Correct the address of ${name} in [services]`,
  };
}

async function recognise(
  socket: ByteSocket,
  probe: BannerProbe,
): Promise<string | undefined> {
  const { promise, resolve } = Promise.withResolvers<string | undefined>();
  const timer = setTimeout(() => resolve(undefined), LOOK_TIMEOUT_MS);
  socket.handle({
    data: (chunk) => resolve(probe.recognise(chunk)),
    end: () => resolve(undefined),
    drain: () => undefined,
    closed: () => resolve(undefined),
  });
  if (probe.say) socket.write(probe.say);
  try {
    return await promise;
  } finally {
    clearTimeout(timer);
    socket.reset();
  }
}
