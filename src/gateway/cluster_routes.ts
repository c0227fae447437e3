import type { Clock } from "../base/clock.ts";
import { Fault } from "../protocol/fault.ts";
import { CONNECT_PATH, RESUME_PATH, STREAM_PATH } from "../protocol/version.ts";
import type { Link } from "../transport/link.ts";
import type { Admitted } from "./admit.ts";
import { meetingKey } from "./cluster_keys.ts";
import type { DevicePlace } from "./cluster_keys.ts";
import type { DeviceDirectory } from "./device_directory.ts";
import {
  type Forwarder,
  type ForwardRequest,
  isGatewayGone,
} from "./forwarder.ts";
import type { GatewayTable } from "./gateway_table.ts";
import type { LeaseBook } from "./lease_book.ts";
import type { OpenLinks } from "./open_links.ts";

export interface ClusterRoutesPorts {
  readonly clock: Clock;
  readonly gatewayId: string;
  readonly book: LeaseBook;
  readonly directory: DeviceDirectory;
  readonly forwarder: Forwarder;
  readonly gateways: GatewayTable;
  readonly failed: (error: unknown) => void;
}

/** A link that came here, and what it needs until it is served. */
export interface Arrived {
  readonly link: Link;
  readonly caller: Admitted;
  readonly openLinks: OpenLinks;
}

/**
 * How long an operator waits for a device whose gateway has just died: by
 * then most agents have dialed another one. Both are ours to choose.
 */
const RETURN_WAIT_MS = 4_000;
const LOOK_EVERY_MS = 250;

/** Gateways that are tried in turn for one link. */
const TRIES_COUNT = 2;

/**
 * Carries links that came to the wrong gateway to the right one. Each method
 * returns false if the right one is this one, or cannot be known: then it is
 * served here. A link that was carried here already always is.
 */
export class ClusterRoutes {
  readonly #ports: ClusterRoutesPorts;
  /** How many links of a tunnel are here, waiting or joined. */
  readonly #meetings = new Map<string, number>();

  constructor(ports: ClusterRoutesPorts) {
    this.#ports = ports;
  }

  /**
   * Carries an operator's link to where the device is.
   *
   * @throws {Fault} Why it cannot be; the link is left for the caller.
   */
  async connect(
    arrived: Arrived,
    wish: { readonly deviceId: number; readonly service: string },
    signal: AbortSignal,
  ): Promise<boolean> {
    if (arrived.caller.isForwarded) return false;
    const { clock, gatewayId: ownId } = this.#ports;
    const { deviceId, service } = wish;
    const query = new URLSearchParams({ device: String(deviceId), service });
    const target = `${CONNECT_PATH}?${query}`;
    const endMs = clock.now() + RETURN_WAIT_MS;
    for (let gone = ""; clock.now() < endMs;) {
      const place = await this.#findDevice(deviceId);
      if (!place || place.gatewayId === ownId) return false;
      const { gatewayId } = place;
      if (gatewayId !== gone) {
        const request = { gatewayId, target };
        const fault = await this.#tryForward(arrived, request, signal);
        if (!fault) return true;
        gone = gatewayId;
      }
      // Its agent looks for another gateway, too.
      await clock.sleep(LOOK_EVERY_MS, signal);
    }
    throw new Fault(
      "deviceOffline",
      `Device ${deviceId} was at a gateway that does not answer any more`,
      { hint: "Try again in a minute: its agent looks for another gateway" },
    );
  }

  /** Carries an agent's link to the gateway that gave it its ticket. */
  async stream(
    arrived: Arrived,
    ticket: string,
    signal: AbortSignal,
  ): Promise<boolean> {
    const [, gatewayId] = /^([0-9a-f-]{36})\./.exec(ticket) ?? [];
    if (arrived.caller.isForwarded || gatewayId === undefined) return false;
    if (gatewayId === this.#ports.gatewayId) return false;
    const request = { gatewayId, target: STREAM_PATH, bearer: ticket };
    const gone = await this.#tryForward(arrived, request, signal);
    if (!gone) return true;
    throw new Fault("peerGone", "The gateway of this ticket does not answer");
  }

  /**
   * Carries an end that comes back to the gateway where its tunnel meets:
   * the first one that any of its ends has come to.
   */
  async resume(
    arrived: Arrived,
    tunnelId: string,
    token: string,
    signal: AbortSignal,
  ): Promise<boolean> {
    // Both at this gateway: nothing is to be asked that may not answer.
    if (arrived.caller.isForwarded || this.#meetings.has(tunnelId)) {
      return false;
    }
    const { book, gatewayId } = this.#ports;
    const key = meetingKey(tunnelId);
    let insteadOf: string | undefined;
    for (let tries = 0; tries < TRIES_COUNT; tries++) {
      const taken = await this.#ask(() =>
        book.holdFirst(key, gatewayId, insteadOf)
      );
      if (!taken) {
        return await this.#resumeAlone(arrived, tunnelId, token, signal);
      }
      const { isHeld, other } = taken;
      if (isHeld || other === undefined) return false;
      const request = { gatewayId: other, target: RESUME_PATH, bearer: token };
      const gone = await this.#tryForward(arrived, request, signal);
      if (!gone) return true;
      insteadOf = other;
    }
    throw new Fault("peerGone", "The gateway of this tunnel does not answer");
  }

  /** As above, while nobody can be asked: all agree where that is. */
  async #resumeAlone(
    arrived: Arrived,
    tunnelId: string,
    token: string,
    signal: AbortSignal,
  ): Promise<boolean> {
    const { gatewayId: ownId, gateways } = this.#ports;
    for (const gatewayId of gateways.inOrderFor(tunnelId)) {
      if (gatewayId === ownId) return false;
      const request = { gatewayId, target: RESUME_PATH, bearer: token };
      const gone = await this.#tryForward(arrived, request, signal);
      if (!gone) return true;
    }
    return false;
  }

  /**
   * Says that the ends of a tunnel meet here, until disposed.
   *
   * @param isFinished Asked at the end: whether nobody needs to come back.
   */
  hold(tunnelId: string, isFinished: () => boolean): Disposable {
    const { book, gatewayId } = this.#ports;
    const count = this.#meetings.get(tunnelId) ?? 0;
    const key = meetingKey(tunnelId);
    this.#meetings.set(tunnelId, count + 1);
    if (count === 0) {
      void this.#ask(() => book.hold(key, gatewayId, () => undefined));
    }
    return {
      [Symbol.dispose]: () => {
        const left = (this.#meetings.get(tunnelId) ?? 1) - 1;
        if (left > 0) return void this.#meetings.set(tunnelId, left);
        this.#meetings.delete(tunnelId);
        // For a while, who missed the goodbye is sent here to hear it.
        if (isFinished()) book.forget(key, gatewayId);
        else void this.#ask(() => book.drop(key, gatewayId));
      },
    };
  }

  /** Which start of the agent a device is, at whatever gateway. */
  async instanceOf(deviceId: number): Promise<string | undefined> {
    const place = await this.#ask(() => this.#ports.directory.find(deviceId));
    return place?.instance;
  }

  /** @throws {Fault} `deviceOffline` if it cannot be known. */
  async #findDevice(deviceId: number): Promise<DevicePlace | undefined> {
    try {
      return await this.#ports.directory.find(deviceId);
    } catch (error) {
      this.#ports.failed(error);
      throw new Fault(
        "deviceOffline",
        `Cannot tell where device ${deviceId} is: Redis does not answer`,
        { hint: "Try again in a minute, or look at the gateway's log" },
      );
    }
  }

  /** Returns why there is no gateway; undefined once the link has ended. */
  async #tryForward(
    { link, caller, openLinks }: Arrived,
    request: ForwardRequest,
    signal: AbortSignal,
  ): Promise<Fault | undefined> {
    const { forwarder } = this.#ports;
    try {
      await forwarder.forward(link, caller, request, openLinks, signal);
      return undefined;
    } catch (error) {
      const fault = Fault.from(error);
      if (!isGatewayGone(fault)) throw fault;
      return fault;
    }
  }

  async #ask<T>(question: () => Promise<T>): Promise<T | undefined> {
    try {
      return await question();
    } catch (error) {
      this.#ports.failed(error);
      return undefined;
    }
  }
}
