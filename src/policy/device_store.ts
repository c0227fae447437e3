/** A device as a gateway remembers it. */
export interface StoredDevice {
  readonly deviceId: number;
  /** As its agent gave it last: hostile text of bounded length. */
  readonly name: string;
  /** Subject of the one certificate that may be this device. */
  readonly subject: string;
  /** Names of the services that its agent offered last. */
  readonly services: readonly string[];
  /** Milliseconds since 1970, as the next one. */
  readonly boundAtMs: number;
  readonly seenAtMs: number;
}

/** An agent says which device it is. */
export interface DeviceClaim {
  readonly deviceId: number;
  readonly name: string;
  /** {@linkcode Principal.subject} of the certificate that it shows. */
  readonly subject: string;
  readonly nowMs: number;
}

/** What became of a claim. */
export type ClaimResult =
  /** The id was bound to this subject before. */
  | { readonly tag: "bound" }
  /** The id was free, and is bound to this subject from now on. */
  | { readonly tag: "first" }
  /** The id belongs to `subject`; nothing was changed. */
  | { readonly tag: "taken"; readonly subject: string };

/** A part of the list of all devices. */
export interface DevicePage {
  readonly limit: number;
  /** Only devices whose id is greater; 0: from the first one. */
  readonly after: number;
}

/** A store on this machine answers at once, one in the network later. */
export type Later<T> = T | Promise<T>;

/**
 * Which certificate each device id is bound to, and what is known of the
 * device. Several processes may use one store at once.
 *
 * Each method throws a fault if the store cannot be read or written:
 * `internal` if the disk is full or somebody else keeps it locked,
 * `gatewayRefused` if it is in the network and does not answer.
 */
export interface DeviceStore {
  /**
   * Binds a device id to the first subject that claims it. A claim by the
   * subject that holds it updates name and time. Atomic.
   *
   * @throws {Fault} `quotaExceeded` if it would be the first claim, and the
   * subject holds as many ids as one may: that bounds the store.
   */
  claim(claim: DeviceClaim): Later<ClaimResult>;

  /** Notes what a device offers now; nothing if its id is bound to nobody. */
  seen(
    deviceId: number,
    nowMs: number,
    services: readonly string[],
  ): Later<void>;

  find(deviceId: number): Later<StoredDevice | undefined>;

  /** Finds the devices of this name, in any case, by id; not all of many. */
  findByName(name: string): Later<StoredDevice[]>;

  /** Returns a page of all devices, by id. */
  list(page: DevicePage): Later<StoredDevice[]>;

  /** Forgets a device. Returns false if its id was bound to nobody. */
  release(deviceId: number): Later<boolean>;
}

/** A store that can lose all that it knows, and be told again. */
export interface RestorableStore extends DeviceStore {
  /** Writes a device as it was, unless its id is bound to somebody. */
  restore(device: StoredDevice): Promise<void>;
}
