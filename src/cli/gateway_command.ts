import type { Log } from "../base/log.ts";
import { Scope } from "../base/scope.ts";
import type { GatewayConfig } from "../gateway/config.ts";
import { Gateway } from "../gateway/gateway.ts";
import { createHttpApp, createMetricsApp } from "../gateway/http.ts";
import { GatewayMetrics } from "../gateway/metrics.ts";
import { onlineAgents } from "../gateway/online_agents.ts";
import type { GatewayPorts } from "../gateway/ports.ts";
import { remindInsecure } from "../gateway/remind_insecure.ts";
import type { DeviceStore } from "../policy/device_store.ts";
import { ResumeTokens } from "../protocol/resume_token.ts";
import { printSocketAddress } from "../protocol/socket_address.ts";
import { openAuditFile } from "../runtime/audit_file.ts";
import { bunClock } from "../runtime/bun_clock.ts";
import {
  collectGarbage,
  giveBackPages,
  shrinkHeap,
} from "../runtime/give_back_memory.ts";
import { dropBallast, holdBallast } from "../runtime/heap_ballast.ts";
import { listenHttp } from "../runtime/http_server.ts";
import { openServiceManager } from "../runtime/service_manager.ts";
import { stopOnSignals } from "../runtime/signals.ts";
import { openDeviceStore } from "../runtime/sqlite_device_store.ts";
import { listenWebSockets, type WsServer } from "../runtime/ws_server.ts";
import { WindowBudget } from "../stream/window_budget.ts";
import { retryCapMs } from "../transport/backoff.ts";
import { Heartbeats } from "../transport/heartbeats.ts";
import { openCluster } from "./gateway_cluster.ts";
import { loadGatewayConfig } from "./gateway_config.ts";
import { type GatewayIdentity, openIdentity } from "./gateway_identity.ts";
import { downloadsOf } from "./gateway_downloads.ts";
import { openEnrolment } from "./gateway_enroll.ts";
import { GatewayNotices } from "./gateway_notices.ts";
import { GatewayRest } from "./gateway_rest.ts";
import { createLog } from "./log.ts";
import { openResumeKey } from "./resume_key.ts";
import { type Options, textOption } from "./options.ts";
import type { Output } from "./output.ts";
import { publicPem } from "./public_pem.ts";
import { COMMIT, VERSION } from "./version.ts";

/** How much the windows of streams that end in this process may grow. */
const V1_WINDOWS_MAX_BYTES = 256 * 1024 * 1024;

/** Runs a gateway until it is told to stop. Returns its exit status. */
export async function runGateway(
  options: Options,
  output: Output,
): Promise<number> {
  const { config, warnings } = await loadGatewayConfig(options);
  const log = createLog(
    textOption(options, "logFormat") ?? config.logFormat,
    output,
  );
  for (const warning of warnings) log.warn("config.warning", { warning });
  const identity = await openIdentity(config);
  let onHangUp = identity.nudge;
  using stop = stopOnSignals(log, {
    code: "gatewayDraining",
    who: "The gateway",
    onHangUp: () => onHangUp(),
  });
  using ownStore = openDeviceStore(config.stateDir);
  const parts = await openParts(config, ownStore, log);
  const { site, store } = parts;
  const never = new AbortController().signal;
  await using scope = new Scope(never);
  const rest = openRest();
  const { gateway, metrics } = makeGateway(
    config,
    identity,
    { ...parts, ...rest.ears },
    log,
    scope,
  );
  const server = scope.own(
    await listen(config, identity, gateway, store, log),
  );
  site?.start(scope, server);
  scope.go((signal) => parts.heartbeats.run(signal));
  scope.go((signal) => rest.run(gateway, signal));
  startGateway(config, gateway, identity, server, log, scope);
  ownMetrics(scope, config, gateway, metrics, log);
  log.info("gateway.listen", {
    version: VERSION,
    listen: printSocketAddress(server),
    door: config.door.tag,
  });
  const agentCount = () => gateway.registry.count;
  const notices = new GatewayNotices(openServiceManager(), agentCount);
  scope.go((signal) => notices.run(bunClock, signal));
  onHangUp = () => {
    identity.nudge();
    notices.reload();
  };
  await untilStopped(stop, scope);
  notices.stopping();
  server.stopListening();
  const withinMs = config.reconnectWithinMs ||
    retryCapMs(gateway.registry.count);
  await gateway.drain(config.drainGraceMs, withinMs, never);
  await site?.cluster.leave();
  log.info("gateway.stop", {});
  return 0;
}

/** What a gateway has beside its doors, alone or in a site with Redis. */
async function openParts(
  config: GatewayConfig,
  ownStore: DeviceStore,
  log: Log,
) {
  const secret = await openResumeKey(config.stateDir);
  const resumeTokens = await ResumeTokens.create(secret);
  const heartbeats = new Heartbeats(bunClock, "forgive");
  const site = config.redisUrl === undefined
    ? undefined
    : await openCluster(config, config.redisUrl, {
      ...{ heartbeats, resumeTokens, secret, ownStore, log },
    });
  const store = site?.store ?? ownStore;
  return { site, cluster: site?.cluster, heartbeats, resumeTokens, store };
}

function startGateway(
  config: GatewayConfig,
  gateway: Gateway,
  identity: GatewayIdentity,
  server: WsServer,
  log: Log,
  scope: Scope,
): void {
  scope.go((signal) => gateway.run(signal));
  if (config.servesNobody) {
    scope.go((signal) => remindInsecure(log, bunClock, signal));
  }
  scope.go((signal) =>
    identity.watch(
      (tls) => {
        server.setTls(tls);
        gateway.sweep();
      },
      log,
      signal,
    )
  );
}

function openRest(): GatewayRest {
  return new GatewayRest({
    clock: bunClock,
    holdBallast,
    dropBallast,
    collectGarbage,
    shrinkHeap,
    giveBackPages,
  });
}

function makeGateway(
  config: GatewayConfig,
  identity: GatewayIdentity,
  parts: Pick<
    GatewayPorts,
    | "agentCame"
    | "tunnelOpened"
    | "cluster"
    | "heartbeats"
    | "resumeTokens"
    | "store"
  >,
  log: Log,
  scope: Scope,
) {
  const metrics = new GatewayMetrics({ version: VERSION, commit: COMMIT });
  const audit = openAuditFile(config.auditFile, {
    wallNow: bunClock.wallNow,
    onFailure: (fault) => {
      metrics.auditFailed();
      log.error("audit.failed", { file: config.auditFile }, fault);
    },
  });
  scope.own(audit);
  const gateway = new Gateway({
    ...parts,
    clock: bunClock,
    log,
    audit,
    metrics,
    identity: identity.ports,
    heartbeat: config.heartbeat,
    limits: config.limits,
    publicUrl: config.publicUrl,
    onClone: config.enroll.onClone,
    v1Budget: config.isProtocol1Enabled
      ? new WindowBudget(V1_WINDOWS_MAX_BYTES)
      : undefined,
    software: VERSION,
  });
  return { gateway, metrics };
}

async function listen(
  config: GatewayConfig,
  identity: GatewayIdentity,
  gateway: Gateway,
  store: DeviceStore,
  log: Log,
) {
  const app = createHttpApp({
    store,
    online: (deviceIds) => gateway.online(deviceIds),
    state: () => stateOf(gateway, config),
    onFailure: (error) => log.error("page.failed", {}, error),
    downloads: downloadsOf(config),
    enroll: await openEnrolment(config, gateway),
    manager: config.isProtocol1Enabled
      ? managerPorts(config, gateway, store)
      : undefined,
  });
  const { host, port } = config.listen;
  return listenWebSockets(host, port, identity.tls, {
    visit: (visitor) => gateway.visit(visitor),
    request: (request, caller) =>
      app.fetch(request, {
        caller,
        admit: () => gateway.admitOperator(caller),
        manager: gateway.managerCaller(caller, new URL(request.url).pathname),
      }),
  });
}

function managerPorts(
  config: GatewayConfig,
  gateway: Gateway,
  store: DeviceStore,
) {
  const online = (ids: readonly number[]) => gateway.online(ids);
  return {
    ...publicPem(config.door),
    agents: () => onlineAgents(store, online),
    agent: async (id: number) =>
      (await online([id])).has(id) ? await store.find(id) : undefined,
    isStoreUp: () => gateway.redis !== "away",
  };
}

/** A default port that is taken is a pity; one that was asked for, an error. */
function ownMetrics(
  scope: Scope,
  config: GatewayConfig,
  gateway: Gateway,
  metrics: GatewayMetrics,
  log: Log,
): void {
  const app = createMetricsApp({
    metrics: () =>
      metrics.page({
        agentsConnected: gateway.registry.count,
        v1AgentsConnected: gateway.registry.v1Count,
        isInsecure: config.servesNobody,
        residentBytes: process.memoryUsage.rss(),
      }),
    state: () => stateOf(gateway, config),
    onFailure: (error) => log.error("page.failed", {}, error),
  });
  try {
    const server = scope.own(
      listenHttp(config.metricsListen, (request) => app.fetch(request)),
    );
    log.info("metrics.listen", { listen: printSocketAddress(server) });
  } catch (error) {
    if (config.isMetricsListenExplicit) throw error;
    const listen = printSocketAddress(config.metricsListen);
    log.warn("metrics.unavailable", { listen }, error);
  }
}

function stateOf(gateway: Gateway, config: GatewayConfig) {
  const { draining, redis, registry } = gateway;
  const insecure = config.servesNobody || undefined;
  return { draining, agents: registry.count, redis, insecure };
}

/** @throws What a task of `scope` failed with. */
async function untilStopped(stop: AbortSignal, scope: Scope): Promise<void> {
  const stopped = new Promise<void>((resolve) => {
    if (stop.aborted) return resolve();
    stop.addEventListener("abort", () => resolve(), { once: true });
  });
  await Promise.race([stopped, scope.join()]);
}
