type Environment = Readonly<Record<string, string | undefined>>;

/** What the environment of migasfree's own relay means to a gateway. */
export interface RelayEnvironment {
  /** Variables of ours, for keys that nothing else gives a value. */
  readonly defaults: Environment;
  /** What was taken for granted, as sentences. */
  readonly warnings: readonly string[];
}

const PREFIX = "MIGASFREE_GATEWAY_";

/** As upstream's relay listens. */
const LISTEN = "0.0.0.0:8080";

/** This computer, and networks that no router carries (RFC 1918, RFC 4193). */
const PRIVATE_RANGES = [
  ...["127.0.0.0/8", "::1/128", "10.0.0.0/8", "172.16.0.0/12"],
  ...["192.168.0.0/16", "fc00::/7"],
];

/**
 * Reads the environment of migasfree-swarm's relay container: `REDIS_URL`,
 * `FQDN` and `TUNNEL_CONNECTIONS`. The file and our own variables go before
 * it.
 *
 * Where they say all, and there is no configuration, a gateway takes the
 * container's place: it listens where the relay did and believes the proxy.
 */
export function relayEnvironment(
  env: Environment,
  isFileThere: boolean,
): RelayEnvironment {
  const { FQDN, PORT_HTTPS, REDIS_URL, TUNNEL_CONNECTIONS } = env;
  const port = PORT_HTTPS && PORT_HTTPS !== "443" ? `:${PORT_HTTPS}` : "";
  const isDropIn = !isFileThere && REDIS_URL && FQDN &&
    !env[`${PREFIX}TLS_CERT_FILE`] && !env[`${PREFIX}BEHIND_PROXY_TRUSTED`];
  const ranges = PRIVATE_RANGES.join(",");
  const warning = "No configuration: as migasfree's relay, this gateway " +
    `believes X-SSL-Client-CN from whoever reaches it from ${ranges}, and ` +
    "takes who comes from there without that header for the manager";
  const given = {
    REDIS_URL,
    PUBLIC_URL: FQDN && `wss://${FQDN}${port}/tunnel`,
    LIMITS_LINKS_MAX: TUNNEL_CONNECTIONS,
    ...isDropIn
      ? {
        LISTEN,
        BEHIND_PROXY_TRUSTED: ranges,
        // The manager's web console dials it directly, without any header.
        BEHIND_PROXY_INTERNAL_OPERATORS: ranges,
      }
      : {},
  };
  const named = Object.entries(given)
    .map(([key, value]) => [PREFIX + key, value] as const);
  return {
    defaults: Object.fromEntries(named),
    warnings: isDropIn ? [warning] : [],
  };
}
