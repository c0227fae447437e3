import { SharedDeviceStore } from "../gateway/shared_device_store.ts";
import type { DeviceStore } from "../policy/device_store.ts";
import { Fault } from "../protocol/fault.ts";
import { parseDeviceRef } from "../protocol/id.ts";
import { openAuditFile } from "../runtime/audit_file.ts";
import { bunClock } from "../runtime/bun_clock.ts";
import { RedisConnection } from "../runtime/redis_connection.ts";
import { RedisDeviceStore } from "../runtime/redis_device_store.ts";
import { openDeviceStore } from "../runtime/sqlite_device_store.ts";
import { loadGatewayConfig } from "./gateway_config.ts";
import type { Options } from "./options.ts";
import type { Output } from "./output.ts";

/**
 * `gateway release DEVICE`: forgets which certificate a device id is bound
 * to. Works beside a gateway that runs.
 */
export async function runRelease(
  device: string,
  options: Options,
  output: Output,
): Promise<number> {
  const ref = parseDeviceRef(device);
  if (ref?.tag !== "id") {
    throw new Fault("usageInvalid", `Cannot read "${device}" as a device id`, {
      hint: "Give 7, or CID-7",
    });
  }
  const { config } = await loadGatewayConfig(options);
  using own = openDeviceStore(config.stateDir, { create: false });
  const subject = await releasing(config.redisUrl, own, ref.id);
  await using audit = openAuditFile(config.auditFile, {
    wallNow: bunClock.wallNow,
    onFailure: (fault) => {
      throw fault;
    },
  });
  audit.write({
    event: "device.released",
    deviceId: ref.id,
    subject,
  });
  output.say(`Device ${ref.id} is free; it was bound to ${subject}`);
  return 0;
}

/** Returns whom the device was bound to, at all gateways of the site. */
async function releasing(
  redisUrl: string | undefined,
  own: DeviceStore,
  deviceId: number,
): Promise<string> {
  if (redisUrl === undefined) return await release(own, deviceId);
  const redis = new RedisConnection(redisUrl);
  const store = new SharedDeviceStore(new RedisDeviceStore(redis), own);
  return await redis.once(() => release(store, deviceId));
}

async function release(store: DeviceStore, deviceId: number): Promise<string> {
  const known = await store.find(deviceId);
  if (known && await store.release(deviceId)) return known.subject;
  throw new Fault("deviceUnknown", `Device ${deviceId} is bound to nobody`, {
    hint: "Check the id, and that --config is the gateway's",
  });
}
