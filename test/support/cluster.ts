import type { Child } from "./child.ts";
import { freePort } from "./free_port.ts";
import { HAPROXY_ADDRESS } from "./haproxy.ts";
import type { Redis } from "./redis.ts";
import { BINARY, type Site } from "./site.ts";

/** One of several gateways behind one Redis. */
export interface ClusterGateway {
  readonly name: string;
  readonly port: number;
  /** Where those come who do not come through HAProxy. */
  readonly url: string;
  child: Child;
  /** Ends it as a power cut would. */
  kill(): Promise<void>;
  /** Starts it again on its port. */
  restart(): Promise<void>;
}

/**
 * Starts a gateway that shares `redis` with others.
 *
 * @param door `tls`: it speaks mutual TLS itself, and to the others.
 */
export async function startClusterGateway(
  site: Site,
  redis: Redis,
  name: string,
  door: "tls" | "behindProxy",
  { waitForRedis = true } = {},
): Promise<ClusterGateway> {
  const port = await freePort();
  const table = door === "tls"
    ? `[tls]
cert_file = "${site.pkiDir}/gateway/cert.pem"
key_file = "${site.pkiDir}/gateway/key.pem"
client_ca_file = "${site.pkiDir}/ca.pem"
crl_files = ["${site.pkiDir}/crl.pem"]`
    : `[behind_proxy]
trusted = ["${HAPROXY_ADDRESS}/32"]`;
  const config = await site.write(
    `${name}.toml`,
    `listen = "127.0.0.1:${port}"
public_url = "wss://localhost/tunnel"
state_dir = "${site.dir}/${name}"
metrics_listen = "127.0.0.1:0"
${table}
[redis]
url = "${redis.url}"
[drain]
grace_ms = 500
`,
  );
  const start = async () => {
    const child = site.start(
      [BINARY, "gateway", "--config", config],
      {},
      `${name}.log`,
    );
    await child.line(waitForRedis ? /redis\.up / : /gateway\.listen /);
    return child;
  };
  const gateway: ClusterGateway = {
    name,
    port,
    url: `wss://localhost:${port}/tunnel`,
    child: await start(),
    kill: async () => {
      gateway.child.kill("SIGKILL");
      await gateway.child.exited;
    },
    restart: async () => void (gateway.child = await start()),
  };
  return gateway;
}
