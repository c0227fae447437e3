import { type Child, startChild } from "../test/support/child.ts";
import { freePort } from "../test/support/free_port.ts";
import { Redis, redisMissing } from "../test/support/redis.ts";
import type { Site } from "../test/support/site.ts";
import { missingProgram } from "../test/support/test_unless.ts";

/** A gateway that is ended and started again. */
export interface ChaosGateway {
  readonly child: () => Child;
  /** Starts it again on its port, once it has ended. */
  readonly start: () => Promise<void>;
}

/** What several gateways have in common: it ends, and begins anew. */
export interface ChaosPart {
  readonly kill: () => Promise<void>;
  readonly restart: () => Promise<void>;
}

/** Where the gateways are found, all as one. */
export interface ChaosGateways {
  readonly port: number;
  readonly all: readonly ChaosGateway[];
  /** Undefined: there is one gateway, and neither of the two. */
  readonly redis?: Redis;
  readonly proxy?: ChaosPart;
}

/** Returns why there cannot be so many gateways here, or undefined. */
export function gatewaysMissing(count: number): string | undefined {
  return count === 1 ? undefined : redisMissing() ?? missingProgram("haproxy");
}

/**
 * Starts one gateway alone, or several with a Redis, and HAProxy before them:
 * it hands connections on as they are, in turn, to those that are there.
 */
export async function startChaosGateways(
  site: Site,
  count: number,
  tables: string,
): Promise<ChaosGateways> {
  if (count === 1) {
    const port = await freePort();
    return { port, all: [await startGateway(site, "gateway", port, tables)] };
  }
  const redis = site.own(await Redis.start());
  const shared = `${tables}\n[redis]\nurl = "${redis.url}"`;
  const all: ChaosGateway[] = [];
  const ports: number[] = [];
  for (let index = 1; index <= count; index++) {
    const port = await freePort();
    ports.push(port);
    all.push(await startGateway(site, `gateway${index}`, port, shared));
  }
  const port = await freePort();
  return { port, all, redis, proxy: await startProxy(site, port, ports) };
}

async function startGateway(
  site: Site,
  name: string,
  port: number,
  tables: string,
): Promise<ChaosGateway> {
  let child: Child;
  const start = async () => {
    child = (await site.gateway({ name, port, tables })).child;
    if (tables.includes("[redis]")) await child.line(/redis\.up /);
  };
  await start();
  return { child: () => child, start };
}

async function startProxy(
  site: Site,
  port: number,
  ports: readonly number[],
): Promise<ChaosPart> {
  const servers = ports.map((port, index) =>
    `  server gateway${index + 1} 127.0.0.1:${port} check inter 200ms ` +
    "fall 1 rise 1 on-marked-down shutdown-sessions"
  );
  const config = await site.write(
    "haproxy.cfg",
    `global
  maxconn 500
defaults
  mode tcp
  timeout connect 1s
  timeout check 1s
  timeout client 1h
  timeout server 1h
  retries 2
  option redispatch 1
listen site
  bind 127.0.0.1:${port}
  balance roundrobin
${servers.join("\n")}
`,
  );
  let child: Child;
  const restart = async () => {
    child = site.own(startChild(["haproxy", "-W", "-db", "-f", config]));
    await child.line(/Loading success/);
  };
  await restart();
  const kill = async () => {
    // Of a master that is killed, the worker stays and holds the port.
    child.kill("SIGTERM");
    await child.exited;
  };
  return { kill, restart };
}
