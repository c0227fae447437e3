import { quarantine } from "../policy/quarantine.ts";
import { Fault } from "../protocol/fault.ts";
import type { DeviceSession } from "./device_session.ts";
import type { GatewayPorts } from "./ports.ts";

/** What is done about a certificate that two computers show. */
export type ClonePolicy = "report" | "quarantine";

/**
 * Ours to choose. One that was replaced comes back after 2 to 6 minutes
 * (docs/PROTOCOL.md §7), so that two clones take some 12 minutes, and some
 * 30 where each gateway sees every second turn.
 */
const RETURNS_MIN_COUNT = 3;
const WINDOW_MS = 60 * 60_000;
const INSTANCES_MAX_COUNT = 16;
const DEVICES_MAX_COUNT = 10_000;

/** Where one is, if nobody has said it. */
const UNKNOWN = "unknown";
const ELSEWHERE = "another gateway";

/** A device that was taken from one start of an agent by another. */
interface Contest {
  /** Instances that have had the device => where they were. */
  readonly places: Map<string, string>;
  /** When one of them came back. */
  returnsAtMs: number[];
  lastAtMs: number;
}

/**
 * Notices two computers with one certificate: each takes the device from the
 * other, and comes back. An agent that was started anew takes it, too, but
 * what it was before does not come back; one that roams or reconnects is the
 * same instance all along.
 */
export class CloneWatch {
  readonly #ports: GatewayPorts;
  /** In the order in which they were last contested. */
  readonly #contests = new Map<number, Contest>();

  constructor(ports: GatewayPorts) {
    this.#ports = ports;
  }

  /**
   * A device has a new control link here.
   *
   * @param older The link in whose place it came, if that still stood here.
   * @returns What follows from it; for who wants to wait. Never rejects.
   */
  async attached(
    session: DeviceSession,
    older: DeviceSession | undefined,
  ): Promise<void> {
    if (older === undefined) return;
    await this.#contested(session, older.instance, older.address);
  }

  /** A device's new link has come in the place of one at another gateway. */
  async replacedElsewhere(
    session: DeviceSession,
    instance: string | undefined,
  ): Promise<void> {
    await this.#contested(session, instance, ELSEWHERE);
  }

  async #contested(
    session: DeviceSession,
    was: string | undefined,
    where: string,
  ): Promise<void> {
    const { address, deviceId, instance: is } = session;
    if (was === undefined || is === undefined || was === is) return;
    const contest = this.#contestOf(deviceId);
    const nowMs = this.#ports.clock.now();
    contest.lastAtMs = nowMs;
    if (contest.places.has(is)) contest.returnsAtMs.push(nowMs);
    contest.returnsAtMs = contest.returnsAtMs
      .filter((atMs) => atMs > nowMs - WINDOW_MS);
    contest.places.set(was, where);
    contest.places.set(is, address);
    if (contest.places.size > INSTANCES_MAX_COUNT) {
      const [first = ""] = contest.places.keys();
      contest.places.delete(first);
    }
    if (contest.returnsAtMs.length < RETURNS_MIN_COUNT) return;
    this.#contests.delete(deviceId);
    const places = [was, is].map((it) => contest.places.get(it) ?? UNKNOWN);
    await this.#cloned(session, places);
  }

  #contestOf(deviceId: number): Contest {
    const nowMs = this.#ports.clock.now();
    for (const [id, { lastAtMs }] of this.#contests) {
      const isOver = lastAtMs <= nowMs - WINDOW_MS;
      if (!isOver && this.#contests.size < DEVICES_MAX_COUNT) break;
      this.#contests.delete(id);
    }
    const contest = this.#contests.get(deviceId) ??
      { places: new Map<string, string>(), returnsAtMs: [], lastAtMs: nowMs };
    this.#contests.delete(deviceId);
    this.#contests.set(deviceId, contest);
    return contest;
  }

  async #cloned(
    session: DeviceSession,
    addresses: readonly string[],
  ): Promise<void> {
    const { audit, log, metrics, onClone = "report" } = this.#ports;
    const { deviceId: device, subject } = session;
    const quarantined = onClone === "quarantine" &&
      await this.#quarantine(session);
    audit.write({
      event: "device.cloned",
      ...{ deviceId: device, subject, addresses, quarantined },
    });
    metrics.deviceCloned();
    const fault = new Fault(
      "deviceBound",
      `Device ${device} is two computers: both show its certificate`,
      {
        hint: "Revoke the certificate, and enrol each with a token of its own",
      },
    );
    const fields = { device, addresses: addresses.join(), quarantined };
    log.error("device.cloned", fields, fault);
    if (quarantined) session.end(fault);
  }

  async #quarantine(session: DeviceSession): Promise<boolean> {
    const { clock, log, store } = this.#ports;
    const { deviceId, name, subject } = session;
    const nowMs = clock.wallNow();
    try {
      return await quarantine({ deviceId, name, subject, nowMs }, store);
    } catch (error) {
      log.error("device.unquarantined", { device: deviceId }, error);
      return false;
    }
  }
}
