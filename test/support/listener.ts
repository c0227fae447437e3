import type { Child } from "./child.ts";
import { BINARY, type Identity, type Site } from "./site.ts";
import { dialTest, echoOnce, type TestClient } from "./tcp_peer.ts";

/** `connect --listen`, and where it listens. */
export interface Listener {
  readonly child: Child;
  readonly port: number;
}

/** Starts `connect DEVICE SERVICE --listen` as an operator. */
export async function startListener(
  site: Site,
  url: string,
  operator: Identity,
  device: string,
  service: string,
  extra: {
    readonly flags?: readonly string[];
    readonly env?: Record<string, string>;
  } = {},
): Promise<Listener> {
  const child = site.start([
    ...[BINARY, "connect", device, service, "--listen", "127.0.0.1:0"],
    ...site.operatorFlags(url, operator),
    ...extra.flags ?? [],
  ], extra.env ?? {});
  const line = await child.line(/^listening 127\.0\.0\.1:\d+$/);
  return { child, port: Number(line.split(":").at(-1)) };
}

/** A tunnel that has carried a byte there and back. */
export interface EchoTunnel extends Disposable {
  readonly child: Child;
  readonly client: TestClient;
  /** Sends so many bytes and has them back. */
  readonly echo: (sizeBytes?: number) => Promise<void>;
}

/** Opens a tunnel to a service that echoes. */
export async function openEcho(
  site: Site,
  url: string,
  operator: Identity,
  device: string,
  service = "echo",
  flags: readonly string[] = [],
): Promise<EchoTunnel> {
  const { child, port } = await startListener(
    site,
    url,
    operator,
    device,
    service,
    { flags },
  );
  const client = await dialTest(port);
  await echoOnce(client.socket, 1);
  return {
    child,
    client,
    echo: async (sizeBytes = 10_000) => {
      await echoOnce(client.socket, sizeBytes);
    },
    [Symbol.dispose]: () => client[Symbol.dispose](),
  };
}
