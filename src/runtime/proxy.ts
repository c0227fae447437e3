import { plainText } from "../base/text.ts";
import { Fault } from "../protocol/fault.ts";
import { isLoopbackHost } from "../protocol/gateway_url.ts";
import { isInRanges, parseIpRange } from "../protocol/ip_range.ts";

/** Variables that name a proxy, by what it is for; the first one set wins. */
const VARIABLES = {
  "wss:": ["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"],
  "https:": ["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"],
  "ws:": ["HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"],
  "http:": ["HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"],
} as const;

const PORTS: Readonly<Record<string, string>> = {
  "wss:": "443",
  "https:": "443",
  "ws:": "80",
  "http:": "80",
};

type Environment = Readonly<Record<string, string | undefined>>;

/**
 * Returns the HTTP CONNECT proxy on the way to `url`, or undefined for none.
 *
 * What `NO_PROXY` names is reached directly, whoever named the proxy. This
 * computer is, too, unless the proxy was configured for us alone: what the
 * environment says is meant for the network.
 *
 * @param configured From our own configuration; it goes before `env`.
 * @throws {Fault} `configInvalid` if the proxy is no http: or https: URL. The
 * password is not repeated.
 */
export function proxyFor(
  url: string,
  configured: string | undefined,
  env: Environment,
): string | undefined {
  const target = new URL(url);
  if (configured !== undefined) {
    const proxy = checkedProxy(configured, "proxy");
    return isExempt(target, env) ? undefined : proxy;
  }
  if (isLoopbackHost(target.hostname) || isExempt(target, env)) {
    return undefined;
  }
  const name = variablesFor(target).find((name) => env[name]);
  const value = name === undefined ? undefined : env[name];
  if (name === undefined || value === undefined) return undefined;
  // Every other program takes a bare host:port, so that many a site has one.
  return checkedProxy(value.includes("://") ? value : `http://${value}`, name);
}

/** Returns `url` with its password as `***`, fit for a log. */
export function redactUrl(url: string): string {
  const parsed = URL.parse(url);
  // No URL, or `user:password@host`, which reads as one of scheme `user`.
  if (!parsed || !url.includes("://")) return url.replace(/^.*@/s, "***@");
  if (parsed.password === "") return url;
  parsed.password = "***";
  return parsed.href;
}

function variablesFor(target: URL): readonly string[] {
  return Object.hasOwn(VARIABLES, target.protocol)
    ? VARIABLES[target.protocol as keyof typeof VARIABLES]
    : [];
}

function checkedProxy(text: string, source: string): string {
  const proxy = URL.parse(text);
  const isHttp = proxy?.protocol === "http:" || proxy?.protocol === "https:";
  if (isHttp && proxy.hostname !== "") return text;
  const shown = plainText(redactUrl(text), 120);
  throw new Fault(
    "configInvalid",
    `Cannot use ${source} ${shown}: it is no http:// or https:// URL`,
    { hint: "Name an HTTP proxy, as http://user:password@proxy:3128" },
  );
}

function isExempt(target: URL, env: Environment): boolean {
  const list = env["NO_PROXY"] || env["no_proxy"] || "";
  const host = bareHost(target.hostname);
  const port = target.port || PORTS[target.protocol];
  return list.split(/[\s,]+/).some((entry) =>
    entry !== "" && matches(entry.toLowerCase(), host, port)
  );
}

/** Returns whether `entry` of NO_PROXY names `host`, at `port` if it says so. */
function matches(
  entry: string,
  host: string,
  port: string | undefined,
): boolean {
  if (entry === "*") return true;
  const range = parseIpRange(entry);
  if (range) return isInRanges(host, [range]);
  const [, name = entry, entryPort] =
    /^(\[[^\]]*\]|[^:]*):([0-9]+)$/.exec(entry) ?? [];
  if (entryPort !== undefined && entryPort !== port) return false;
  const address = parseIpRange(name);
  if (address) return isInRanges(host, [address]);
  // `example.org` stands for what is under it, too, as elsewhere.
  const suffix = bareHost(name).replace(/^\*?\./, "");
  const isName = host === suffix && !name.startsWith("*");
  return isName || host.endsWith(`.${suffix}`);
}

/** A name without the root's dot, an IPv6 address without brackets. */
function bareHost(host: string): string {
  return host.replace(/^\[(.*)\]$/, "$1").replace(/\.$/, "");
}
