import type {
  ClaimResult,
  DeviceClaim,
  DevicePage,
  RestorableStore,
  StoredDevice,
} from "../policy/device_store.ts";
import { Fault } from "../protocol/fault.ts";
import type { RedisConnection } from "./redis_connection.ts";
import {
  DEVICES_PER_SUBJECT_MAX_COUNT,
  folded,
  NAMESAKES_MAX_COUNT,
} from "./sqlite_device_store.ts";

/** Devices that one script looks up: while it runs, nobody else is served. */
const ROWS_MAX_COUNT = 500;

/** Of each device `PREFIX:device:ID`, a hash; the rest are what finds them. */
const PREFIX = "migasfree-gateway";

/** ARGV: id, name, folded name, subject, now, most ids of a subject. */
const CLAIM = `
local id, name, folded, subject, now, most = unpack(ARGV)
local device = "${PREFIX}:device:" .. id
local known = redis.call("HMGET", device, "subject", "folded")
if known[1] and known[1] ~= subject then return {"taken", known[1]} end
if not known[1] then
  local own = "${PREFIX}:subject:" .. subject
  if redis.call("SCARD", own) >= tonumber(most) then return {"full", ""} end
  redis.call("SADD", own, id)
  redis.call("ZADD", "${PREFIX}:devices", id, id)
  redis.call("HSET", device, "subject", subject, "services", "[]", "bound", now)
end
if known[2] and known[2] ~= folded then
  redis.call("ZREM", "${PREFIX}:name:" .. known[2], id)
end
redis.call("ZADD", "${PREFIX}:name:" .. folded, id, id)
redis.call("HSET", device, "name", name, "folded", folded, "seen", now)
return {known[1] and "bound" or "first", ""}
`;

/** ARGV: id, name, folded name, subject, services, bound, seen. */
const RESTORE = `
local id, name, folded, subject, services, bound, seen = unpack(ARGV)
local device = "${PREFIX}:device:" .. id
if redis.call("EXISTS", device) == 1 then return 0 end
redis.call("SADD", "${PREFIX}:subject:" .. subject, id)
redis.call("ZADD", "${PREFIX}:devices", id, id)
redis.call("ZADD", "${PREFIX}:name:" .. folded, id, id)
redis.call("HSET", device, "subject", subject, "services", services,
  "bound", bound, "name", name, "folded", folded, "seen", seen)
return 1
`;

/** ARGV: id, now, services. */
const SEEN = `
local device = "${PREFIX}:device:" .. ARGV[1]
if redis.call("EXISTS", device) == 0 then return 0 end
redis.call("HSET", device, "seen", ARGV[2], "services", ARGV[3])
return 1
`;

/** ARGV: id. */
const RELEASE = `
local id = ARGV[1]
local device = "${PREFIX}:device:" .. id
local known = redis.call("HMGET", device, "subject", "folded")
if not known[1] then return 0 end
redis.call("SREM", "${PREFIX}:subject:" .. known[1], id)
redis.call("ZREM", "${PREFIX}:name:" .. (known[2] or ""), id)
redis.call("ZREM", "${PREFIX}:devices", id)
redis.call("DEL", device)
return 1
`;

/** ARGV: ids. Returns name, subject, services, bound and seen of each. */
const ROWS = `
local rows = {}
for at, id in ipairs(ARGV) do
  rows[at] = redis.call("HMGET", "${PREFIX}:device:" .. id,
    "name", "subject", "services", "bound", "seen")
end
return rows
`;

type Row = readonly (string | null)[];

/** Which certificate each device is bound to, for all gateways of a site. */
export class RedisDeviceStore implements RestorableStore {
  readonly #redis: RedisConnection;

  constructor(redis: RedisConnection) {
    this.#redis = redis;
  }

  async claim(claim: DeviceClaim): Promise<ClaimResult> {
    const { deviceId, name, subject, nowMs } = claim;
    const [tag, holder] = await this.#redis.script(CLAIM, [], [
      String(deviceId),
      name,
      folded(name),
      subject,
      String(nowMs),
      String(DEVICES_PER_SUBJECT_MAX_COUNT),
    ]) as readonly [string, string];
    if (tag === "taken") return { tag, subject: holder };
    if (tag === "full") throw tooMany();
    return { tag: tag === "first" ? "first" : "bound" };
  }

  async seen(
    deviceId: number,
    nowMs: number,
    services: readonly string[],
  ): Promise<void> {
    const args = [String(deviceId), String(nowMs), JSON.stringify(services)];
    await this.#redis.script(SEEN, [], args);
  }

  async find(deviceId: number): Promise<StoredDevice | undefined> {
    const [device] = await this.#rows([String(deviceId)]);
    return device;
  }

  async findByName(name: string): Promise<StoredDevice[]> {
    const key = `${PREFIX}:name:${folded(name)}`;
    const last = String(NAMESAKES_MAX_COUNT - 1);
    const ids = await this.#redis.command("ZRANGE", [key, "0", last]);
    return await this.#rows(ids as readonly string[]);
  }

  async list({ limit, after }: DevicePage): Promise<StoredDevice[]> {
    const range = [`${PREFIX}:devices`, `(${after}`, "+inf"];
    const part = ["LIMIT", "0", String(limit)];
    const ids = await this.#redis.command("ZRANGEBYSCORE", [...range, ...part]);
    return await this.#rows(ids as readonly string[]);
  }

  async release(deviceId: number): Promise<boolean> {
    const id = String(deviceId);
    return await this.#redis.script(RELEASE, [], [id]) === 1;
  }

  async restore(device: StoredDevice): Promise<void> {
    await this.#redis.script(RESTORE, [], [
      String(device.deviceId),
      device.name,
      folded(device.name),
      device.subject,
      JSON.stringify(device.services),
      String(device.boundAtMs),
      String(device.seenAtMs),
    ]);
  }

  async #rows(ids: readonly string[]): Promise<StoredDevice[]> {
    const devices: StoredDevice[] = [];
    for (let at = 0; at < ids.length; at += ROWS_MAX_COUNT) {
      const some = ids.slice(at, at + ROWS_MAX_COUNT);
      const rows = await this.#redis.script(ROWS, [], some) as readonly Row[];
      for (const [index, row] of rows.entries()) {
        const device = deviceOf(Number(some[index]), row);
        if (device) devices.push(device);
      }
    }
    return devices;
  }
}

/** Undefined if it was released in between. */
function deviceOf(deviceId: number, row: Row): StoredDevice | undefined {
  const [name, subject, services, bound, seen] = row;
  if (typeof name !== "string" || typeof subject !== "string") return undefined;
  return {
    deviceId,
    name,
    subject,
    services: JSON.parse(services ?? "[]"),
    boundAtMs: Number(bound),
    seenAtMs: Number(seen),
  };
}

function tooMany(): Fault {
  return new Fault(
    "quotaExceeded",
    `Cannot bind device: this certificate holds ` +
      `${DEVICES_PER_SUBJECT_MAX_COUNT} ids, the limit`,
    { hint: "Give each computer a certificate of its own" },
  );
}
