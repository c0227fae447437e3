import { quarantine } from "../policy/quarantine.ts";
import { Fault } from "../protocol/fault.ts";
import type { DeviceSession } from "./device_session.ts";
import type { GatewayPorts } from "./ports.ts";

/** What is done about a certificate that two computers show. */
export type ClonePolicy = "report" | "quarantine";

/**
 * Ours to choose. One that was replaced comes back after 2 to 6 minutes
 * (docs/PROTOCOL.md §7), so that two clones take some 12 minutes.
 */
const RETURNS_MIN_COUNT = 3;
const WINDOW_MS = 30 * 60_000;
const INSTANCES_MAX_COUNT = 16;
const DEVICES_MAX_COUNT = 10_000;

/** A device that was taken from one start of an agent by another. */
interface Contest {
  /** Instances whose live link was replaced by another's => where they were. */
  readonly replaced: Map<string, string>;
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
  readonly #addresses = new WeakMap<DeviceSession, string>();
  /** In the order in which they were last contested. */
  readonly #contests = new Map<number, Contest>();

  constructor(ports: GatewayPorts) {
    this.#ports = ports;
  }

  /**
   * A device has a new control link, from `address`.
   *
   * @param older The link in whose place it came, if that still stood.
   * @returns What follows from it; for who wants to wait. Never rejects.
   */
  async attached(
    session: DeviceSession,
    address: string,
    older: DeviceSession | undefined,
  ): Promise<void> {
    this.#addresses.set(session, address);
    const was = older?.instance;
    const is = session.instance;
    if (older === undefined || was === undefined || is === undefined) return;
    if (was === is) return;
    const contest = this.#contestOf(session.deviceId);
    const nowMs = this.#ports.clock.now();
    contest.lastAtMs = nowMs;
    if (contest.replaced.has(is)) contest.returnsAtMs.push(nowMs);
    contest.returnsAtMs = contest.returnsAtMs
      .filter((atMs) => atMs > nowMs - WINDOW_MS);
    contest.replaced.set(was, this.#addresses.get(older) ?? "unknown");
    contest.replaced.set(is, address);
    if (contest.replaced.size > INSTANCES_MAX_COUNT) {
      const [first = ""] = contest.replaced.keys();
      contest.replaced.delete(first);
    }
    if (contest.returnsAtMs.length < RETURNS_MIN_COUNT) return;
    this.#contests.delete(session.deviceId);
    await this.#cloned(session, [was, is], contest.replaced);
  }

  #contestOf(deviceId: number): Contest {
    const nowMs = this.#ports.clock.now();
    for (const [id, { lastAtMs }] of this.#contests) {
      const isOver = lastAtMs <= nowMs - WINDOW_MS;
      if (!isOver && this.#contests.size < DEVICES_MAX_COUNT) break;
      this.#contests.delete(id);
    }
    const contest = this.#contests.get(deviceId) ??
      { replaced: new Map<string, string>(), returnsAtMs: [], lastAtMs: nowMs };
    this.#contests.delete(deviceId);
    this.#contests.set(deviceId, contest);
    return contest;
  }

  async #cloned(
    session: DeviceSession,
    instances: readonly string[],
    places: ReadonlyMap<string, string>,
  ): Promise<void> {
    const { audit, log, metrics, onClone = "report" } = this.#ports;
    const { deviceId: device, subject } = session;
    const addresses = instances.map((it) => places.get(it) ?? "unknown");
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
