import type { Clock } from "../base/clock.ts";
import { plainText } from "../base/text.ts";
import type { SharedStore } from "../policy/shared_store.ts";
import { EXEC_SERVICE } from "../protocol/exec_message.ts";
import { DEVICE_NAME_MAX_CHARS } from "../protocol/limits.ts";
import type { DirectorySession } from "./device_directory.ts";

/** All four are upstream's: its manager believes what is younger. */
const RELAY_TTL_MS = 10_000;
const AGENT_TTL_MS = 300_000;
const AGENT_EVERY_MS = 30_000;
const MODE = "tcp_tunnel";

/** Agents that are written at once. */
const BATCH_MAX_COUNT = 256;

/** What upstream's manager is told of this gateway. */
export interface RelayFacts {
  /** Where agents and operators find it. */
  readonly url: string;
  /** Where the manager finds it, without TLS: `ws://host:port`. */
  readonly internalUrl: string;
  readonly hostName: string;
  /** Address of this gateway, as agents' `server_ip`. */
  readonly serverIp: string;
  readonly linksMax: number;
}

interface Written {
  readonly text: string;
  dueMs: number;
}

/**
 * Writes what migasfree's own relay writes, so that its manager lists our
 * agents and its web console reaches them.
 */
export class UpstreamKeys {
  readonly #gatewayId: string;
  readonly #facts: () => RelayFacts;
  readonly #clock: Clock;
  readonly #store: SharedStore;
  readonly #written = new Map<number, Written>();

  /** @param facts Known once the gateway listens. */
  constructor(
    gatewayId: string,
    facts: () => RelayFacts,
    clock: Clock,
    store: SharedStore,
  ) {
    this.#gatewayId = gatewayId;
    this.#facts = facts;
    this.#clock = clock;
    this.#store = store;
  }

  /** @param load How many devices are online here. @throws {Fault} */
  async announce(load: number): Promise<void> {
    const { url, internalUrl, hostName, linksMax } = this.#facts();
    const id = this.#gatewayId;
    const text = JSON.stringify({
      id,
      url,
      internal_url: internalUrl,
      load,
      max_connections: linksMax,
      hostname: hostName,
    });
    await this.#store.put(`tunnel:${id}`, text, RELAY_TTL_MS);
  }

  /** @throws {Fault} If the store is away. */
  async online(session: DirectorySession): Promise<void> {
    const { deviceId } = session;
    const text = this.#agentText(session);
    const written = { text, dueMs: 0 };
    // First, so that one that leaves meanwhile is taken out.
    this.#written.set(deviceId, written);
    // Written again, not only renewed: it may have been forgotten.
    await this.#store.put(`agent:${deviceId}`, text, AGENT_TTL_MS);
    written.dueMs = this.#clock.now() + AGENT_EVERY_MS;
  }

  /** @throws {Fault} If the store is away. */
  async offline(deviceId: number): Promise<void> {
    const written = this.#written.get(deviceId);
    this.#written.delete(deviceId);
    // The manager writes it too, when an agent registers: then it is newer.
    if (written) await this.#store.remove(`agent:${deviceId}`, written.text);
  }

  /** The store may have forgotten all of them. */
  allDue(): void {
    for (const written of this.#written.values()) written.dueMs = 0;
  }

  /** Writes again what is due, of `sessions`. @throws {Fault} */
  async renew(sessions: readonly DirectorySession[]): Promise<void> {
    const nowMs = this.#clock.now();
    const due = sessions.filter((session) =>
      (this.#written.get(session.deviceId)?.dueMs ?? 0) <= nowMs
    );
    for (let at = 0; at < due.length; at += BATCH_MAX_COUNT) {
      const some = due.slice(at, at + BATCH_MAX_COUNT);
      await Promise.all(some.map((session) => this.online(session)));
    }
  }

  /** This gateway stops. @throws {Fault} */
  async leave(): Promise<void> {
    const key = `tunnel:${this.#gatewayId}`;
    const text = await this.#store.get(key);
    if (text !== undefined) await this.#store.remove(key, text);
  }

  #agentText(session: DirectorySession): string {
    const { deviceId: id, services } = session;
    const { url, serverIp } = this.#facts();
    const name = plainText(session.name, DEVICE_NAME_MAX_CHARS);
    return JSON.stringify({
      id,
      // As upstream's agents call themselves, ours of protocol 1 among them.
      name: name.includes("[CID-") ? name : `${name} [CID-${id}]`,
      services: services
        .filter((one) => one.name !== EXEC_SERVICE && one.state !== "closed")
        .map((one) => one.name),
      mode: MODE,
      relay: url,
      server_ip: serverIp,
    });
  }
}
