import { Cluster } from "../../src/gateway/cluster.ts";
import { gatewayChannel } from "../../src/gateway/cluster_keys.ts";
import type { DirectorySession } from "../../src/gateway/device_directory.ts";
import type { OnwardRequest } from "../../src/gateway/forwarder.ts";
import { Fault } from "../../src/protocol/fault.ts";
import {
  RESUME_KEY_BYTES,
  ResumeTokens,
} from "../../src/protocol/resume_token.ts";
import { Heartbeats } from "../../src/transport/heartbeats.ts";
import type { Link } from "../../src/transport/link.ts";
import { eventually } from "../support/eventually.ts";
import { ListLog } from "../support/list_log.ts";
import { ManualClock } from "../support/manual_clock.ts";
import { MemoryStore } from "../support/memory_store.ts";
import { rejection } from "../support/rejection.ts";

/** Time and a store for several gateways. */
export class ClusterSite implements AsyncDisposable {
  readonly clock = new ManualClock();
  readonly store = new MemoryStore(this.clock);
  readonly #stop = new AbortController();
  readonly #running: Promise<unknown>[] = [];

  /** Starts a gateway; `number` names it. */
  async gateway(number: number): Promise<ClusterBench> {
    const bench = await ClusterBench.create(this, number);
    const { cluster } = bench;
    this.store.hear(
      gatewayChannel(cluster.gatewayId),
      (text) => cluster.heard(text),
    );
    this.#running.push(rejection(cluster.run(this.#stop.signal)));
    cluster.connected();
    // It signs, in threads of its own: no turn is the last one.
    await eventually("the first beat", () => cluster.isUp === true);
    return bench;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort();
    await Promise.all(this.#running);
  }
}

/** One gateway of several, as far as it works with the others. */
export class ClusterBench {
  readonly cluster: Cluster;
  readonly log: ListLog;
  readonly tokens: ResumeTokens;
  /** What it keeps on disk. */
  readonly saved: { secret?: Uint8Array; epoch?: string };
  /** How often it told the store which devices there are. */
  readonly restored: { count: number };
  /** How often it copied all of them. */
  readonly copied: { count: number };
  /** Whom it has dialed. */
  readonly dialed: OnwardRequest[];
  /** What its next dials come to. */
  readonly answers: (Link | Fault)[];

  private constructor(parts: Omit<ClusterBench, never>) {
    this.cluster = parts.cluster;
    this.log = parts.log;
    this.tokens = parts.tokens;
    this.saved = parts.saved;
    this.restored = parts.restored;
    this.copied = parts.copied;
    this.dialed = parts.dialed;
    this.answers = parts.answers;
  }

  static async create(
    { clock, store }: ClusterSite,
    number: number,
  ): Promise<ClusterBench> {
    const log = new ListLog();
    const secret = new Uint8Array(RESUME_KEY_BYTES).fill(number);
    const tokens = await ResumeTokens.create(secret);
    const saved: ClusterBench["saved"] = {};
    const restored = { count: 0 };
    const copied = { count: 0 };
    const dialed: OnwardRequest[] = [];
    const answers: (Link | Fault)[] = [];
    const url = `ws://10.0.0.${number}:8080`;
    const cluster = await Cluster.create({
      ...{ clock, log, store, secret },
      gatewayId: `00000000-0000-4000-8000-00000000000${number}`,
      heartbeats: new Heartbeats(clock, "forgive"),
      heartbeat: { "interval_ms": 20_000, "timeout_ms": 45_000 },
      url: () => url,
      saveSecret: (shared) => Promise.resolve(void (saved.secret = shared)),
      readEpoch: () => Promise.resolve(saved.epoch),
      saveEpoch: (epoch) => Promise.resolve(void (saved.epoch = epoch)),
      devices: {
        restore: () => Promise.resolve(void restored.count++),
        copy: () => Promise.resolve(void copied.count++),
      },
      resumeTokens: tokens,
      relay: () => ({
        url: "wss://mf.test/tunnel",
        internalUrl: url,
        hostName: `gw${number}`,
        serverIp: `10.0.0.${number}`,
        linksMax: 500,
      }),
      openTimeoutMs: 10_000,
      dial: (request) => {
        dialed.push(request);
        const answer = answers.shift();
        if (answer instanceof Fault || !answer) {
          return Promise.reject(
            answer ?? new Fault("gatewayUnreachable", "Nobody is there"),
          );
        }
        return Promise.resolve(answer);
      },
    });
    return new ClusterBench({
      ...{ cluster, log, tokens, saved, restored, copied, dialed, answers },
    });
  }
}

/** A control link of a device that remembers how it was ended. */
export class FakeSession implements DirectorySession {
  readonly deviceId: number;
  readonly name: string;
  readonly instance: string | undefined;
  services: DirectorySession["services"] = [{ name: "ssh", state: "open" }];
  ended: Fault | undefined;

  constructor(deviceId: number, instance?: string) {
    this.deviceId = deviceId;
    this.name = `aula-${deviceId}`;
    this.instance = instance;
  }

  end(fault: Fault): void {
    this.ended ??= fault;
  }
}
