import * as z from "zod/mini";
import type { SharedStore } from "../policy/shared_store.ts";
import { Fault } from "../protocol/fault.ts";
import { deviceIdSchema, randomHex } from "../protocol/id.ts";
import {
  type DevicePlace,
  gatewayChannel,
  onlineKey,
  parsePlace,
  placeText,
} from "./cluster_keys.ts";
import type { DeviceSession } from "./device_session.ts";
import type { LeaseBook } from "./lease_book.ts";
import type { ReplacedElsewhere } from "./registry.ts";

/** A control link of a device, as far as other gateways care. */
export type DirectorySession = Pick<
  DeviceSession,
  "deviceId" | "name" | "instance" | "services" | "end"
>;

export interface DeviceDirectoryPorts {
  readonly gatewayId: string;
  readonly store: SharedStore;
  readonly book: LeaseBook;
  /** The store did not answer; what is to be written will be later. */
  readonly failed: (error: unknown) => void;
  readonly online: (session: DirectorySession) => Promise<void>;
  readonly offline: (deviceId: number) => Promise<void>;
}

interface Entry {
  readonly session: DirectorySession;
  readonly link: string;
  readonly replaced: ReplacedElsewhere | undefined;
}

/** What one gateway tells another. */
const replacedSchema = z.object({
  type: z.literal("replaced"),
  device: deviceIdSchema,
  link: z.string().check(z.maxLength(256)),
});

/**
 * Which gateway has the newest control link of each device. It is told of
 * each that comes or goes here; the newest one wins over all gateways.
 */
export class DeviceDirectory {
  readonly #ports: DeviceDirectoryPorts;
  readonly #entries = new Map<number, Entry>();

  constructor(ports: DeviceDirectoryPorts) {
    this.#ports = ports;
  }

  /** How many devices are online here. */
  get count(): number {
    return this.#entries.size;
  }

  sessions(): DirectorySession[] {
    return [...this.#entries.values()].map(({ session }) => session);
  }

  /** A device has a new control link here. */
  attached(session: DirectorySession, replaced?: ReplacedElsewhere): void {
    const { gatewayId } = this.#ports;
    const place = { gatewayId, instance: session.instance };
    const entry = { session, link: placeText(place, randomHex()), replaced };
    this.#entries.set(session.deviceId, entry);
    void this.#quietly(() => this.#attach(entry));
  }

  /** The newest control link that a device had here has ended. */
  detached(session: DirectorySession): void {
    const entry = this.#entries.get(session.deviceId);
    if (entry?.session !== session) return;
    this.#entries.delete(session.deviceId);
    void this.#quietly(() => this.#detach(entry));
  }

  /** Another gateway says something. It is of this site, or has its key. */
  heard(text: string): void {
    let parsed: z.infer<typeof replacedSchema> | undefined;
    try {
      parsed = replacedSchema.safeParse(JSON.parse(text)).data;
    } catch {
      return; // Of a version that says more than we know.
    }
    const entry = parsed && this.#entries.get(parsed.device);
    if (entry?.link === parsed?.link) this.#replaced(entry);
  }

  /** @throws {Fault} If the store is away. */
  async find(deviceId: number): Promise<DevicePlace | undefined> {
    const [text] = await this.#ports.store.holders([onlineKey(deviceId)]);
    return text === undefined ? undefined : parsePlace(text);
  }

  /** Returns those that are online at any gateway. @throws {Fault} */
  async online(deviceIds: readonly number[]): Promise<number[]> {
    const keys = deviceIds.map(onlineKey);
    const holders = await this.#ports.store.holders(keys);
    return deviceIds.filter((_, at) => holders[at] !== undefined);
  }

  async #attach(entry: Entry): Promise<void> {
    const { book, gatewayId, online, store } = this.#ports;
    const { session, link } = entry;
    const device = session.deviceId;
    const lost = () => this.#replaced(entry);
    const { isHeld, other } = await book.hold(onlineKey(device), link, lost);
    if (isHeld) await online(session);
    const older = isHeld && other !== undefined ? parsePlace(other) : undefined;
    if (!older || older.gatewayId === gatewayId) return;
    entry.replaced?.(older.instance);
    const message = { type: "replaced", device, link: other };
    await store.publish(
      gatewayChannel(older.gatewayId),
      JSON.stringify(message),
    );
  }

  async #detach({ session, link }: Entry): Promise<void> {
    const { book, offline } = this.#ports;
    const wasNewest = await book.drop(onlineKey(session.deviceId), link);
    if (wasNewest) await offline(session.deviceId);
  }

  #replaced(entry: Entry | undefined): void {
    entry?.session.end(
      new Fault("linkReplaced", "A newer link of this device has come"),
    );
  }

  async #quietly(work: () => Promise<void>): Promise<void> {
    try {
      await work();
    } catch (error) {
      this.#ports.failed(error);
    }
  }
}
