import type { Log } from "../base/log.ts";
import { Scope } from "../base/scope.ts";
import type { GatewayConfig } from "../gateway/config.ts";
import { Gateway } from "../gateway/gateway.ts";
import { createHttpApp, createMetricsApp } from "../gateway/http.ts";
import { GatewayMetrics } from "../gateway/metrics.ts";
import type { DeviceStore } from "../policy/device_store.ts";
import type { ResumeTokens } from "../protocol/resume_token.ts";
import { printSocketAddress } from "../protocol/socket_address.ts";
import { openAuditFile } from "../runtime/audit_file.ts";
import { bunClock } from "../runtime/bun_clock.ts";
import { listenHttp } from "../runtime/http_server.ts";
import { stopOnSignals } from "../runtime/signals.ts";
import { openDeviceStore } from "../runtime/sqlite_device_store.ts";
import { listenWebSockets } from "../runtime/ws_server.ts";
import { retryCapMs } from "../transport/backoff.ts";
import { Heartbeats } from "../transport/heartbeats.ts";
import { loadGatewayConfig } from "./gateway_config.ts";
import { type GatewayIdentity, openIdentity } from "./gateway_identity.ts";
import { createLog } from "./log.ts";
import { openResumeTokens } from "./resume_key.ts";
import { type Options, textOption } from "./options.ts";
import type { Output } from "./output.ts";
import { COMMIT, VERSION } from "./version.ts";

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
  using stop = stopOnSignals(log, {
    code: "gatewayDraining",
    who: "The gateway",
    onHangUp: identity.nudge,
  });
  using store = openDeviceStore(config.stateDir);
  const resumeTokens = await openResumeTokens(config.stateDir);
  const never = new AbortController().signal;
  await using scope = new Scope(never);
  const { gateway, heartbeats, metrics } = makeGateway(
    config,
    identity,
    store,
    resumeTokens,
    log,
    scope,
  );
  const server = scope.own(
    await listen(config, identity, gateway, store, log),
  );
  scope.go((signal) => heartbeats.run(signal));
  scope.go((signal) => gateway.run(signal));
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
  ownMetrics(scope, config, gateway, metrics, log);
  log.info("gateway.listen", {
    version: VERSION,
    listen: printSocketAddress(server),
    door: config.door.tag,
  });
  await untilStopped(stop, scope);
  server.stopListening();
  const withinMs = config.reconnectWithinMs ||
    retryCapMs(gateway.registry.count);
  await gateway.drain(config.drainGraceMs, withinMs, never);
  log.info("gateway.stop", {});
  return 0;
}

function makeGateway(
  config: GatewayConfig,
  identity: GatewayIdentity,
  store: DeviceStore,
  resumeTokens: ResumeTokens,
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
  const heartbeats = new Heartbeats(bunClock, "forgive");
  const gateway = new Gateway({
    clock: bunClock,
    log,
    heartbeats,
    store,
    audit,
    metrics,
    identity: identity.ports,
    heartbeat: config.heartbeat,
    limits: config.limits,
    resumeTokens,
    software: VERSION,
  });
  return { gateway, heartbeats, metrics };
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
    isOnline: (deviceId) => gateway.registry.find(deviceId) !== undefined,
    state: () => stateOf(gateway),
    onFailure: (error) => log.error("page.failed", {}, error),
  });
  const { host, port } = config.listen;
  return await listenWebSockets(host, port, identity.tls, {
    visit: (visitor) => gateway.visit(visitor),
    request: (request, caller) =>
      app.fetch(request, { admit: () => gateway.admitOperator(caller) }),
  });
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
        residentBytes: process.memoryUsage.rss(),
      }),
    state: () => stateOf(gateway),
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

function stateOf(gateway: Gateway) {
  const { draining, registry } = gateway;
  return { draining, agents: registry.count };
}

/** @throws What a task of `scope` failed with. */
async function untilStopped(stop: AbortSignal, scope: Scope): Promise<void> {
  const stopped = new Promise<void>((resolve) => {
    if (stop.aborted) return resolve();
    stop.addEventListener("abort", () => resolve(), { once: true });
  });
  await Promise.race([stopped, scope.join()]);
}
