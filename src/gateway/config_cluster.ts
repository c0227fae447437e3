import * as z from "zod/mini";

/** Ours to choose: no address of a server comes near it. */
const URL_MAX_CHARS = 2_048;

const urlSchema = z.string().check(z.maxLength(URL_MAX_CHARS));

/** `[redis]` of `gateway.toml`: what several gateways share. */
export const redisSchema = z.strictObject({
  url: urlSchema.check(
    z.refine(isRedisUrl, {
      error: "a URL such as redis://:password@127.0.0.1:6379/0",
    }),
    z.meta({ secret: true, example: 'url = "redis://127.0.0.1:6379/0"' }),
  ),
});

/** `[cluster]` of `gateway.toml`: how gateways reach each other. */
export const clusterSchema = z.strictObject({
  advertise: z.optional(z.pipe(
    urlSchema,
    z.transform((text, context) => {
      const url = advertisedUrl(text);
      if (url !== undefined) return url;
      const message = "a URL such as http://10.0.0.3:8080, without a path";
      context.issues.push({ code: "custom", message, input: text });
      return z.NEVER;
    }),
  )),
  ca_file: z.optional(
    z.string().check(z.minLength(1, { error: "a path" }), z.maxLength(4_096)),
  ),
});

function isRedisUrl(text: string): boolean {
  const url = URL.parse(text);
  if (!url || url.hostname === "") return false;
  const { protocol, pathname } = url;
  return /^rediss?:$/.test(protocol) && /^\/?[0-9]{0,3}$/.test(pathname);
}

/** Returns `ws[s]://host:port`; undefined if `text` says something else. */
function advertisedUrl(text: string): string | undefined {
  const url = text.includes("://") ? URL.parse(text) : null;
  if (!url || url.hostname === "" || url.pathname !== "/") return undefined;
  const { username, password, search, hash, protocol } = url;
  if (username + password + search + hash !== "") return undefined;
  if (!/^https?:$/.test(protocol)) return undefined;
  return `${protocol === "https:" ? "wss" : "ws"}://${url.host}`;
}
