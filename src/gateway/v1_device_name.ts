import { plainText } from "../base/text.ts";
import { DEVICE_NAME_MAX_CHARS } from "../protocol/limits.ts";

/**
 * Returns the name of a computer from what its agent of protocol 1 says:
 * `aula-7 [CID-7]`, with the id behind it. Never empty.
 */
export function v1DeviceName(deviceId: number, name: string): string {
  const suffix = `[CID-${deviceId}]`;
  const bare = name.endsWith(suffix) ? name.slice(0, -suffix.length) : name;
  return plainText(bare.trim(), DEVICE_NAME_MAX_CHARS) || `CID-${deviceId}`;
}
