import { DEVICE_ID_MAX } from "../protocol/id.ts";
import { principalOf, subjectAttributes } from "./identity.ts";

const PREFIX = "enrolled_";

/**
 * Returns the CN of a computer that enrols: one for each device id, so that a
 * computer that is installed anew is the one that it was. Like migasfree's
 * own, it ends in `_` and the id.
 */
export function enrolledName(deviceId: number): string {
  return `${PREFIX}${deviceId}`;
}

/** Returns the device id in a CN that {@linkcode enrolledName} made. */
export function enrolledDevice(commonName: string): number | undefined {
  const [, digits] = /^enrolled_([1-9][0-9]{0,9})$/.exec(commonName) ?? [];
  const id = Number(digits);
  return digits !== undefined && id <= DEVICE_ID_MAX ? id : undefined;
}

/** Returns the canonical subject of a computer's certificate of `site`. */
export function computerSubject(site: string, commonName: string): string {
  const subject = { O: site, OU: "COMPUTERS", CN: commonName };
  return principalOf(subjectAttributes(subject)).subject;
}
