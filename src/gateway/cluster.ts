import type { Clock } from "../base/clock.ts";
import type { Log } from "../base/log.ts";
import type { SharedStore } from "../policy/shared_store.ts";
import type { HeartbeatValues } from "../protocol/control.ts";
import { Fault } from "../protocol/fault.ts";
import { randomHex } from "../protocol/id.ts";
import {
  RESUME_KEY_BYTES,
  type ResumeTokens,
} from "../protocol/resume_token.ts";
import type { Heartbeats } from "../transport/heartbeats.ts";
import type { Link } from "../transport/link.ts";
import { EPOCH_KEY, JOINED_TEXT, SECRET_KEY } from "./cluster_keys.ts";
import { ClusterRoutes } from "./cluster_routes.ts";
import { DeviceDirectory, type DirectorySession } from "./device_directory.ts";
import { Forwarder, type OnwardRequest } from "./forwarder.ts";
import { GatewayTable } from "./gateway_table.ts";
import { LeaseBook } from "./lease_book.ts";
import type { ReplacedElsewhere } from "./registry.ts";
import { Statements } from "./statement.ts";
import { type RelayFacts, UpstreamKeys } from "./upstream_keys.ts";

/** How often it looks at all devices. Ours to choose. */
const COPY_EVERY_MS = 60_000;

/** How often this gateway says that it is there. As upstream's relay does. */
const BEAT_MS = 5_000;

export interface ClusterPorts {
  readonly clock: Clock;
  readonly log: Log;
  readonly heartbeats: Heartbeats;
  readonly heartbeat: HeartbeatValues;
  readonly store: SharedStore;
  /** Names this run of this gateway: a UUID, as upstream's manager wants. */
  readonly gatewayId: string;
  /** Where the other gateways reach this one: `ws[s]://host:port`. */
  readonly url: () => string;
  /** What this gateway signed with before it met the others. */
  readonly secret: Uint8Array<ArrayBuffer>;
  /** Keeps what they sign with, for a start without the store. */
  readonly saveSecret: (secret: Uint8Array) => Promise<void>;
  /** Which {@linkcode EPOCH_KEY} was seen last, if any. */
  readonly readEpoch: () => Promise<string | undefined>;
  readonly saveEpoch: (epoch: string) => Promise<void>;
  readonly devices: ClusterDevices;
  readonly resumeTokens: ResumeTokens;
  readonly relay: () => RelayFacts;
  readonly openTimeoutMs: number;
  readonly dial: (request: OnwardRequest, signal: AbortSignal) => Promise<Link>;
}

/** The devices of all gateways, and what this one remembers of them. */
export interface ClusterDevices {
  /** Tells a store that has lost its data which devices there are. */
  restore(): Promise<void>;
  /** Remembers all, and no other, unless `isLost` says that data was lost. */
  copy(isLost: () => Promise<boolean>): Promise<void>;
}

/** This gateway, as one of several that share a store. */
export class Cluster {
  /** Names this run of this gateway. */
  readonly gatewayId: string;
  readonly statements: Statements;
  readonly directory: DeviceDirectory;
  /** Where links belong that came here. */
  readonly routes: ClusterRoutes;
  readonly #ports: ClusterPorts;
  readonly #book: LeaseBook;
  readonly #gateways: GatewayTable;
  readonly #upstream: UpstreamKeys;
  #secret: string;
  #epoch: string | undefined;
  #copyDueMs = 0;
  /** Undefined: nobody knows yet. */
  #isUp: boolean | undefined;
  #wake = new AbortController();

  private constructor(ports: ClusterPorts, statements: Statements) {
    const { clock, gatewayId, relay, store } = ports;
    this.#ports = ports;
    this.#secret = ports.secret.toBase64();
    this.statements = statements;
    this.gatewayId = gatewayId;
    this.#gateways = new GatewayTable(gatewayId, ports.url, clock, store);
    const book = new LeaseBook({ clock, store });
    const upstream = new UpstreamKeys(gatewayId, relay, clock, store);
    const failed = (error: unknown) => this.#away(Fault.from(error));
    this.directory = new DeviceDirectory({
      gatewayId,
      store,
      book,
      failed,
      online: (session) => upstream.online(session),
      offline: (deviceId) => upstream.offline(deviceId),
    });
    this.routes = new ClusterRoutes({
      clock,
      gatewayId,
      book,
      failed,
      directory: this.directory,
      gateways: this.#gateways,
      forwarder: new Forwarder({
        ...{ ...ports, statements },
        gateways: this.#gateways,
      }),
    });
    this.#book = book;
    this.#upstream = upstream;
  }

  static async create(ports: ClusterPorts): Promise<Cluster> {
    const { clock, secret } = ports;
    const statements = await Statements.create(secret, () => clock.wallNow());
    return new Cluster(ports, statements);
  }

  /** Whether the store answers; undefined before it was asked. */
  get isUp(): boolean | undefined {
    return this.#isUp;
  }

  attached(session: DirectorySession, replaced?: ReplacedElsewhere): void {
    this.directory.attached(session, replaced);
  }

  detached(session: DirectorySession): void {
    this.directory.detached(session);
  }

  /** Returns those that are online at any gateway; none if it cannot tell. */
  async online(deviceIds: readonly number[]): Promise<number[]> {
    if (deviceIds.length === 0) return [];
    try {
      return await this.directory.online(deviceIds);
    } catch (error) {
      this.#away(Fault.from(error));
      return [];
    }
  }

  /** Another gateway says something. It is of this site, or has its key. */
  heard(text: string): void {
    if (text === JOINED_TEXT) this.#wake.abort();
    else this.directory.heard(text);
  }

  /** The store can be reached (again). */
  connected(): void {
    this.#wake.abort();
  }

  /** The store cannot be reached. */
  lost(fault: Fault): void {
    this.#away(fault);
  }

  /** Keeps what the others know of us fresh. @throws `signal.reason` */
  async run(signal: AbortSignal): Promise<never> {
    for (;;) {
      await this.#untilBeat(signal);
      try {
        await this.#beat();
      } catch (error) {
        this.#away(Fault.from(error));
      }
    }
  }

  /** Tells the others that this gateway goes, if they can be told. */
  async leave(): Promise<void> {
    try {
      await this.#gateways.leave();
      await this.#upstream.leave();
    } catch (error) {
      this.#away(Fault.from(error));
    }
  }

  /** @throws `signal.reason` */
  async #untilBeat(signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    const { signal: woken } = this.#wake;
    const stop = () => this.#wake.abort();
    signal.addEventListener("abort", stop, { once: true });
    await this.#ports.clock.sleep(BEAT_MS, woken)
      .catch(() => undefined); // Stopped, or there is something to do.
    signal.removeEventListener("abort", stop);
    signal.throwIfAborted();
    this.#wake = new AbortController();
  }

  async #beat(): Promise<void> {
    const { directory } = this;
    await this.#shareSecret();
    await this.#gateways.exchange();
    await this.#upstream.announce(directory.count);
    await this.#keepDevices();
    if (!this.#isUp) {
      this.#book.allDue();
      this.#upstream.allDue();
    }
    await this.#book.renew();
    await this.#upstream.renew(directory.sessions());
    if (!this.#isUp) {
      const devices = directory.count;
      this.#ports.log.info("redis.up", { gatewayId: this.gatewayId, devices });
    }
    this.#isUp = true;
  }

  /** What certificates devices are bound to must outlive the store. */
  async #keepDevices(): Promise<void> {
    const { clock, devices, log, readEpoch, saveEpoch, store } = this.#ports;
    const askEpoch = () => store.share(EPOCH_KEY, randomHex());
    const epoch = await askEpoch();
    this.#epoch ??= await readEpoch();
    if (epoch !== this.#epoch) {
      await devices.restore();
      await saveEpoch(epoch);
      this.#epoch = epoch;
      log.info("redis.restore", { gatewayId: this.gatewayId });
    }
    if (clock.now() < this.#copyDueMs) return;
    await devices.copy(async () => await askEpoch() !== epoch);
    this.#copyDueMs = clock.now() + COPY_EVERY_MS;
  }

  /** The first gateway of a site decides what all sign with. */
  async #shareSecret(): Promise<void> {
    const { resumeTokens, saveSecret, store } = this.#ports;
    const text = await store.share(SECRET_KEY, this.#secret);
    if (text === this.#secret) return;
    const secret = secretIn(text);
    if (!secret) {
      throw new Fault("gatewayRefused", `Cannot use ${SECRET_KEY} of Redis`, {
        hint: "Remove it: sessions that are detached now will be lost",
      });
    }
    await this.statements.adopt(secret);
    await resumeTokens.adopt(secret);
    await saveSecret(secret);
    this.#secret = text;
  }

  #away(fault: Fault): void {
    if (this.#isUp === false) return;
    this.#isUp = false;
    this.#ports.log.warn(
      "redis.away",
      { devices: this.directory.count },
      fault,
    );
  }
}

function secretIn(text: string): Uint8Array<ArrayBuffer> | undefined {
  try {
    const secret = Uint8Array.fromBase64(text);
    return secret.length === RESUME_KEY_BYTES ? secret : undefined;
  } catch {
    return undefined; // Whoever wrote it: the caller says so.
  }
}
