import { hostname, networkInterfaces } from "node:os";
import { join } from "node:path";
import type { Log } from "../base/log.ts";
import type { Scope } from "../base/scope.ts";
import { Cluster } from "../gateway/cluster.ts";
import { gatewayChannel } from "../gateway/cluster_keys.ts";
import type { GatewayConfig } from "../gateway/config.ts";
import type { OnwardRequest } from "../gateway/forwarder.ts";
import { SharedDeviceStore } from "../gateway/shared_device_store.ts";
import type { RelayFacts } from "../gateway/upstream_keys.ts";
import type { DeviceStore } from "../policy/device_store.ts";
import type { Fault } from "../protocol/fault.ts";
import { isLoopbackHost } from "../protocol/gateway_url.ts";
import type { ResumeTokens } from "../protocol/resume_token.ts";
import {
  printSocketAddress,
  type SocketAddress,
} from "../protocol/socket_address.ts";
import { CONTROL_PATH, STREAM_SUBPROTOCOL } from "../protocol/version.ts";
import { bunClock } from "../runtime/bun_clock.ts";
import { readText, writeFileAtomically } from "../runtime/files.ts";
import { localAddressTowards } from "../runtime/local_address.ts";
import { RedisConnection } from "../runtime/redis_connection.ts";
import { RedisDeviceStore } from "../runtime/redis_device_store.ts";
import { RedisSharedStore } from "../runtime/redis_shared_store.ts";
import { dialWebSocket } from "../runtime/ws_dial.ts";
import type { Heartbeats } from "../transport/heartbeats.ts";
import type { Link } from "../transport/link.ts";
import { saveResumeKey } from "./resume_key.ts";

/** How long another gateway may take to answer: callers wait meanwhile. */
const DIAL_TIMEOUT_MS = 3_000;

export interface ClusterParts {
  readonly heartbeats: Heartbeats;
  readonly resumeTokens: ResumeTokens;
  readonly secret: Uint8Array<ArrayBuffer>;
  readonly ownStore: DeviceStore;
  readonly log: Log;
}

/** A gateway that works with others, until it is told where it listens. */
export interface OpenCluster {
  readonly cluster: Cluster;
  readonly store: DeviceStore;
  /** Keeps in touch with the others until `scope` ends. */
  readonly start: (scope: Scope, listening: SocketAddress) => void;
}

/** Makes what a gateway with `[redis]` needs; it dials nothing yet. */
export async function openCluster(
  config: GatewayConfig,
  redisUrl: string,
  parts: ClusterParts,
): Promise<OpenCluster> {
  const redis = new RedisConnection(redisUrl);
  const store = new RedisSharedStore(redis);
  const listening = await placeOf(config, redisUrl);
  const { log, ownStore } = parts;
  const devices = new SharedDeviceStore(new RedisDeviceStore(redis), ownStore);
  const cluster = await Cluster.create({
    ...parts,
    clock: bunClock,
    store,
    gatewayId: crypto.randomUUID(),
    heartbeat: config.heartbeat,
    openTimeoutMs: config.limits.openTimeoutMs,
    url: () => urlOf(listening),
    relay: () => relayFacts(config, urlOf(listening)),
    dial: (request, signal) => dialGateway(config, request, signal),
    saveSecret: (shared) => saveSecret(config, shared, log),
    readEpoch: () => readEpoch(config),
    saveEpoch: (epoch) => saveEpoch(config, epoch, log),
    devices,
  });
  const handlers = {
    connected: () => cluster.connected(),
    lost: (fault: Fault) => cluster.lost(fault),
    heard: (text: string) => cluster.heard(text),
  };
  const channel = gatewayChannel(cluster.gatewayId);
  return {
    cluster,
    store: devices,
    start: (scope, { port }) => {
      listening.port = port;
      log.info("cluster.open", {
        gatewayId: cluster.gatewayId,
        url: urlOf(listening),
      });
      scope.go((signal) => redis.run(channel, handlers, signal));
      scope.go((signal) => cluster.run(signal));
    },
  };
}

/** Who cannot keep it takes it from Redis at each start. */
async function saveSecret(
  config: GatewayConfig,
  secret: Uint8Array,
  log: Log,
): Promise<void> {
  try {
    await saveResumeKey(config.stateDir, secret);
  } catch (error) {
    log.warn("cluster.unsaved", {}, error);
  }
}

async function readEpoch(config: GatewayConfig): Promise<string | undefined> {
  try {
    return await readText(epochPath(config), "epoch of Redis");
  } catch {
    return undefined; // Seen for the first time: all will be told again.
  }
}

async function saveEpoch(
  config: GatewayConfig,
  epoch: string,
  log: Log,
): Promise<void> {
  try {
    await writeFileAtomically(epochPath(config), epoch, 0o600);
  } catch (error) {
    log.warn("cluster.unsaved", {}, error);
  }
}

function epochPath(config: GatewayConfig): string {
  return join(config.stateDir, "redis.epoch");
}

async function dialGateway(
  config: GatewayConfig,
  { url, headers }: OnwardRequest,
  signal: AbortSignal,
): Promise<Link> {
  const { clusterCaFile, door } = config;
  const caFile = clusterCaFile ??
    (door.tag === "tls" ? door.clientCaFile : undefined);
  const ca = caFile === undefined
    ? undefined
    // Each time: it may have been renewed.
    : await readText(caFile, "CA of the gateways");
  return await dialWebSocket({
    url,
    subprotocol: STREAM_SUBPROTOCOL,
    headers,
    tls: { ca, cert: undefined, key: undefined, insecure: false },
    proxy: undefined,
    timeoutMs: DIAL_TIMEOUT_MS,
  }, signal);
}

function relayFacts(config: GatewayConfig, internalUrl: string): RelayFacts {
  return {
    url: config.publicUrl ?? `${internalUrl}${CONTROL_PATH}`,
    internalUrl,
    hostName: hostname(),
    serverIp: new URL(internalUrl).hostname.replace(/^\[|\]$/g, ""),
    linksMax: config.limits.linksMax,
  };
}

/** Where the other gateways reach this one. */
interface Place {
  /** What was written; undefined: the rest says it. */
  readonly advertised: string | undefined;
  readonly scheme: "ws" | "wss";
  readonly host: string;
  port: number;
}

async function placeOf(
  config: GatewayConfig,
  redisUrl: string,
): Promise<Place> {
  const { advertise: advertised, door, listen: { host, port } } = config;
  const scheme = door.tag === "tls" ? "wss" : "ws";
  const isSaid = advertised !== undefined || !["0.0.0.0", "::"].includes(host);
  const ownHost = isSaid ? host : await outerAddress(redisUrl);
  return { advertised, scheme, host: ownHost, port };
}

function urlOf({ advertised, scheme, host, port }: Place): string {
  return advertised ?? `${scheme}://${printSocketAddress({ host, port })}`;
}

/**
 * The address of this machine in the network that Redis is in, which is the
 * one that gateways share; else any that others can reach.
 */
async function outerAddress(redisUrl: string): Promise<string> {
  const redisHost = new URL(redisUrl).hostname.replace(/^\[|\]$/g, "");
  const towards = await localAddressTowards(redisHost);
  if (towards !== undefined && !isLoopbackHost(towards)) return towards;
  const all = Object.values(networkInterfaces()).flatMap((some) => some ?? []);
  const outer = all.filter(({ internal }) => !internal);
  const first = outer.find(({ family }) => family === "IPv4") ?? outer[0];
  return first?.address ?? hostname();
}
