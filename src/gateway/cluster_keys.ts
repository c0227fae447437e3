import * as z from "zod/mini";
import { tunnelIdSchema } from "../protocol/id.ts";

/** All of ours in a Redis that others use, too. */
const PREFIX = "migasfree-gateway";

/** The key that all gateways of a site sign with. */
export const SECRET_KEY = `${PREFIX}:secret`;

/** Made anew by whoever finds none: the store has then lost its data. */
export const EPOCH_KEY = `${PREFIX}:epoch`;

/** The gateways that are there. */
export const GATEWAYS_KEY = `${PREFIX}:gateways`;

/** Where a gateway is reached by the others. */
export function gatewayKey(gatewayId: string): string {
  return `${PREFIX}:gateway:${gatewayId}`;
}

/** Where a gateway hears what the others tell it. */
export function gatewayChannel(gatewayId: string): string {
  return `${PREFIX}:to:${gatewayId}`;
}

/** What a gateway tells each other one that it hears of. */
export const JOINED_TEXT = JSON.stringify({ type: "joined" });

/** The lease of the gateway that has the newest control link of a device. */
export function onlineKey(deviceId: number): string {
  return `${PREFIX}:online:${deviceId}`;
}

/** The lease of the gateway where the two ends of a tunnel meet. */
export function meetingKey(tunnelId: string): string {
  return `${PREFIX}:meeting:${tunnelId}`;
}

/** One control link of a device, as its lease names it. */
export interface DevicePlace {
  readonly gatewayId: string;
  /** Which start of the agent it is; undefined: it does not say. */
  readonly instance: string | undefined;
}

/** Fresh, and like no other. */
export function placeText(place: DevicePlace, linkId: string): string {
  return `${place.gatewayId} ${linkId} ${place.instance ?? "-"}`;
}

/** Undefined if a gateway of another version wrote it. */
export function parsePlace(text: string): DevicePlace | undefined {
  const [gatewayId = "", , instance = ""] = text.split(" ", 3);
  if (!z.uuid().safeParse(gatewayId).success) return undefined;
  const known = tunnelIdSchema.safeParse(instance);
  return { gatewayId, instance: known.data };
}
