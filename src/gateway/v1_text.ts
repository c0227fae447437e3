import type { Fault } from "../protocol/fault.ts";

/** How upstream's relay says that it has no such agent; clients look for it. */
export function v1NotFound(deviceId: number | "None"): string {
  return `Agent ${deviceId} not found on this server`;
}

/** Returns why a wish of an operator failed, as upstream's relay says it. */
export function v1ErrorText(fault: Fault, deviceId: number): string {
  const { code, message } = fault;
  return code === "deviceUnknown" || code === "deviceOffline"
    ? v1NotFound(deviceId)
    : message;
}
