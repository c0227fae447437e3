import { readFile } from "node:fs/promises";
import { type Child, startChild } from "./child.ts";
import { freePort } from "./free_port.ts";
import { BINARY, type Site } from "./site.ts";

/** A real HAProxy that speaks mutual TLS before a gateway. */
export interface Haproxy extends AsyncDisposable {
  readonly port: number;
  readonly url: string;
  /** One line per request, once it is over. */
  readonly child: Child;
}

/** From here it reaches the gateway, so that nobody else is taken for it. */
export const HAPROXY_ADDRESS = "127.0.0.9";

/** Starts a gateway that believes `trusted` alone. Returns its port. */
export async function gatewayBehindProxy(
  site: Site,
  name: string,
  trusted: string,
  tables = "",
): Promise<number> {
  const config = await site.write(
    `${name}.toml`,
    `listen = "127.0.0.1:0"
state_dir = "${site.dir}/${name}"
metrics_listen = "127.0.0.1:0"
[behind_proxy]
trusted = ["${trusted}/32"]
${tables}
`,
  );
  const child = site.start([BINARY, "gateway", "--config", config]);
  const line = await child.line(/gateway\.listen .*door=behindProxy/);
  return Number(/\blisten=\S*:(\d+)/.exec(line)?.[1]);
}

/** The port was free when it was asked for; somebody may be faster. */
const BIND_TRIES_COUNT = 5;

/**
 * Starts HAProxy as a migasfree site has it: a client's certificate is asked
 * for and verified, against the CRL too; its subject goes into
 * `X-SSL-Client-CN`, over whatever the client may have put there.
 *
 * @param gatewayPort Several take turns, whoever calls: nothing sticks.
 * @param forwarded How it says who was there: `set` replaces what a client
 * said, `option` appends to it.
 */
export async function startHaproxy(
  site: Site,
  gatewayPort: number | readonly number[],
  forwarded: "set" | "option" = "set",
): Promise<Haproxy> {
  const [cert, key] = await Promise.all(
    ["cert.pem", "key.pem"]
      .map((name) => readFile(`${site.pkiDir}/gateway/${name}`, "utf8")),
  );
  const pem = await site.write("haproxy/gateway.pem", `${cert}${key}`);
  for (let left = BIND_TRIES_COUNT; left > 0; left--) {
    const port = await freePort();
    const gatewayPorts = [gatewayPort].flat();
    const text = configuration(site, pem, { port, gatewayPorts, forwarded });
    const config = await site.write(`haproxy/${port}.cfg`, text);
    const child = startChild(["haproxy", "-W", "-db", "-f", config]);
    const isUp = await Promise.race([
      child.line(/Loading success/).then(() => true),
      child.exited.then(() => false),
    ]);
    if (isUp) {
      const url = `wss://localhost:${port}/tunnel`;
      const dispose = () => child[Symbol.asyncDispose]();
      return { port, url, child, [Symbol.asyncDispose]: dispose };
    }
    if (left === 1) {
      throw new Error(`Cannot start HAProxy: ${child.output().stderr}`);
    }
  }
  throw new Error("Cannot start HAProxy: no port was free");
}

function configuration(
  site: Site,
  pem: string,
  { port, gatewayPorts, forwarded }: {
    readonly port: number;
    readonly gatewayPorts: readonly number[];
    readonly forwarded: "set" | "option";
  },
): string {
  const tls = `ssl crt ${pem} ca-file ${site.pkiDir}/ca.pem verify optional ` +
    `crl-file ${site.pkiDir}/crl.pem alpn http/1.1`;
  return `global
  log stdout format raw local0
  maxconn 500
defaults
  mode http
  log global
  timeout connect 5s
  retries 0
  timeout client 30s
  timeout server 30s
  timeout tunnel 1h
frontend site
  bind 127.0.0.1:${port} ${tls}
  http-request capture req.hdr(X-Agent-ID) len 64
  log-format "%HU status=%ST agent=%[capture.req.hdr(0)]"
  http-request set-header X-SSL-Client-CN %{+Q}[ssl_c_s_dn]
  ${
    forwarded === "set"
      ? "http-request set-header X-Forwarded-For %[src]"
      : "option forwardfor"
  }
  default_backend gateway
backend gateway
${serversOf(gatewayPorts)}
`;
}

function serversOf(ports: readonly number[]): string {
  const source = `source ${HAPROXY_ADDRESS}`;
  const [only] = ports;
  if (ports.length === 1) return `  server gateway 127.0.0.1:${only} ${source}`;
  const servers = ports.map((port, at) =>
    `  server gateway${at} 127.0.0.1:${port} ${source} check inter 200ms fall 1 rise 1`
  );
  return [
    "  balance roundrobin",
    "  option redispatch",
    "  retries 2",
    ...servers,
  ]
    .join("\n");
}
