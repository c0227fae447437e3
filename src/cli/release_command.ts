import { Fault } from "../protocol/fault.ts";
import { parseDeviceRef } from "../protocol/id.ts";
import { openAuditFile } from "../runtime/audit_file.ts";
import { bunClock } from "../runtime/bun_clock.ts";
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
  using store = openDeviceStore(config.stateDir, { create: false });
  const known = store.find(ref.id);
  if (!known || !store.release(ref.id)) {
    throw new Fault("deviceUnknown", `Device ${ref.id} is bound to nobody`, {
      hint: "Check the id, and that --config is the gateway's",
    });
  }
  await using audit = openAuditFile(config.auditFile, {
    wallNow: bunClock.wallNow,
    onFailure: (fault) => {
      throw fault;
    },
  });
  audit.write({
    event: "device.released",
    deviceId: ref.id,
    subject: known.subject,
  });
  output.say(`Device ${ref.id} is free; it was bound to ${known.subject}`);
  return 0;
}
