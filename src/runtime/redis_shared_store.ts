import type {
  Lease,
  LeaseRule,
  SharedStore,
  Taken,
} from "../policy/shared_store.ts";
import type { RedisConnection } from "./redis_connection.ts";

/** Keys that are asked for at once. Ours to choose. */
const KEYS_MAX_COUNT = 1_000;

/**
 * A lease is `<since> <value>`, since in milliseconds of the server's clock,
 * which is the one that all gateways share.
 *
 * KEYS: the lease. ARGV: value, ttlMs, age in ms or an empty text for "first",
 * and then who is not to be minded.
 */
const TAKE = `
local time = redis.call("TIME")
local since = time[1] * 1000 + math.floor(time[2] / 1000)
local isNewest = ARGV[3] ~= ""
if isNewest then since = since - tonumber(ARGV[3]) end
local other = ""
local text = redis.call("GET", KEYS[1]) or ""
local theirs, value = string.match(text, "^(%d+) (.*)$")
if value == ARGV[1] then
  since = tonumber(theirs)
elseif value then
  local isLost = not isNewest and value ~= ARGV[4]
  if isNewest then isLost = tonumber(theirs) > since end
  if isLost then return {0, value} end
  other = value
end
text = string.format("%.0f ", since) .. ARGV[1]
redis.call("SET", KEYS[1], text, "PX", ARGV[2])
return {1, other}
`;

/** KEYS: the lease. ARGV: value. */
const FREE = `
local text = redis.call("GET", KEYS[1]) or ""
if string.match(text, "^%d+ (.*)$") ~= ARGV[1] then return 0 end
return redis.call("DEL", KEYS[1])
`;

/** KEYS: the text. ARGV: what it must be. */
const REMOVE = `
if redis.call("GET", KEYS[1]) ~= ARGV[1] then return 0 end
return redis.call("DEL", KEYS[1])
`;

/** KEYS: the set, by when each member leaves. ARGV: member, ttlMs. */
const JOIN = `
local time = redis.call("TIME")
local now = time[1] * 1000 + math.floor(time[2] / 1000)
redis.call("ZADD", KEYS[1], now + ARGV[2], ARGV[1])
redis.call("ZREMRANGEBYSCORE", KEYS[1], "-inf", now)
redis.call("PEXPIRE", KEYS[1], ARGV[2])
return redis.call("ZRANGE", KEYS[1], 0, -1)
`;

/** What gateways share, in Redis 5 or later; of one server, no cluster. */
export class RedisSharedStore implements SharedStore {
  readonly #redis: RedisConnection;

  constructor(redis: RedisConnection) {
    this.#redis = redis;
  }

  async take(lease: Lease, rule: LeaseRule): Promise<Taken> {
    const { key, value, ttlMs } = lease;
    const isNewest = rule.tag === "newest";
    const answer = await this.#redis.script(TAKE, [key], [
      value,
      String(Math.round(ttlMs)),
      isNewest ? String(Math.round(rule.ageMs)) : "",
      isNewest ? "" : rule.insteadOf ?? "",
    ]) as readonly [number, string];
    const [isHeld, other] = answer;
    return { isHeld: isHeld === 1, other: other === "" ? undefined : other };
  }

  async free(key: string, value: string): Promise<boolean> {
    return await this.#redis.script(FREE, [key], [value]) === 1;
  }

  async holders(keys: readonly string[]): Promise<(string | undefined)[]> {
    const found: (string | undefined)[] = [];
    for (let at = 0; at < keys.length; at += KEYS_MAX_COUNT) {
      const some = keys.slice(at, at + KEYS_MAX_COUNT);
      const texts = await this.#redis.command("MGET", some);
      for (const text of texts as readonly (string | null)[]) {
        found.push(/^[0-9]+ (.*)$/s.exec(text ?? "")?.[1]);
      }
    }
    return found;
  }

  async put(key: string, text: string, ttlMs: number): Promise<void> {
    await this.#redis.command("SET", [key, text, "PX", String(ttlMs)]);
  }

  async get(key: string): Promise<string | undefined> {
    const text = await this.#redis.command("GET", [key]);
    return typeof text === "string" ? text : undefined;
  }

  async remove(key: string, text: string): Promise<void> {
    await this.#redis.script(REMOVE, [key], [text]);
  }

  async share(key: string, text: string): Promise<string> {
    await this.#redis.command("SET", [key, text, "NX"]);
    return await this.get(key) ?? text;
  }

  async join(key: string, member: string, ttlMs: number): Promise<string[]> {
    const args = [member, String(ttlMs)];
    return await this.#redis.script(JOIN, [key], args) as string[];
  }

  async publish(channel: string, text: string): Promise<void> {
    await this.#redis.command("PUBLISH", [channel, text]);
  }
}
