import { Agent } from "../agent/agent.ts";
import { CommandRunner } from "../agent/command_runner.ts";
import type { AgentConfig } from "../agent/config.ts";
import { Pace } from "../agent/pace.ts";
import type { AgentPorts } from "../agent/ports.ts";
import type { Log } from "../base/log.ts";
import { Scope } from "../base/scope.ts";
import { Fault } from "../protocol/fault.ts";
import { randomHex } from "../protocol/id.ts";
import { bunClock } from "../runtime/bun_clock.ts";
import {
  collectAllGarbage,
  giveBackPages,
  shrinkHeap,
} from "../runtime/give_back_memory.ts";
import { dropBallast, holdBallast } from "../runtime/heap_ballast.ts";
import { IdentityFiles } from "../runtime/identity_files.ts";
import { allowJit, spareJit } from "../runtime/jit_policy.ts";
import { ListenerCache } from "../runtime/listener_cache.ts";
import { portStates } from "../runtime/listening_ports.ts";
import { watchNetworkAddresses } from "../runtime/network_addresses.ts";
import { proxyFor, redactUrl } from "../runtime/proxy.ts";
import { stopOnSignals } from "../runtime/signals.ts";
import { dialWebSocket, type TlsMaterial } from "../runtime/ws_dial.ts";
import { WindowBudget } from "../stream/window_budget.ts";
import { Heartbeats } from "../transport/heartbeats.ts";
import { Progress } from "../transport/progress.ts";
import { ATTEMPT_MAX_MS } from "../transport/supervise.ts";
import {
  type AgentSettingsFile,
  completeAgentConfig,
  readAgentSettings,
} from "./agent_config.ts";
import { openKeeper } from "./agent_keeper.ts";
import { AgentNotices } from "./agent_notices.ts";
import { startRenewal } from "./agent_renewal.ts";
import { AgentRest } from "./agent_rest.ts";
import { Retirement } from "./agent_retirement.ts";
import { statusOf, waitingStatus } from "./agent_status.ts";
import { awaitAgentConfig } from "./await_agent_config.ts";
import type { HandedConfig } from "./handed_config.ts";
import { createLog } from "./log.ts";
import { commandStarter } from "./command_starter.ts";
import { HangUp } from "./hang_up.ts";
import { type Options, textOption } from "./options.ts";
import type { Output } from "./output.ts";
import { OwnStatus } from "./own_status.ts";
import { serviceTable } from "./service_table.ts";
import { VERSION } from "./version.ts";

/** How long a handshake with the gateway may take, name look-up included. */
const DIAL_TIMEOUT_MS = 10_000;

/**
 * The manager is asked at most once in this time, however we fail: once a
 * second as it sees it, even where a question was long on its way.
 */
const MANAGER_PACE_MS = 1_500;

/** How long a stop may take in all before the process ends anyway. */
const STOP_TIMEOUT_MS = 9_000;

/** Runs the agent until it is told to stop. Returns its exit status. */
export async function runAgent(
  options: Options,
  output: Output,
): Promise<number> {
  const settings = await readAgentSettings(options);
  using keeper = openKeeper(options, output);
  const log = createLog(
    textOption(options, "logFormat") ?? settings.file.log_format,
    keeper.output,
  );
  for (const warning of settings.warnings) {
    log.warn("config.warning", { warning });
  }
  const notices = new AgentNotices(keeper.manager);
  const hangUp = new HangUp();
  const onHangUp = () => {
    notices.reloading();
    hangUp.happen();
  };
  using asked = stopOnSignals(log, { onHangUp });
  using retirement = new Retirement(log);
  const stop = AbortSignal.any([asked, retirement.signal, keeper.signal]);
  const onStop = () => {
    notices.stopping();
    endInTime(log);
  };
  stop.addEventListener("abort", onStop, { once: true });
  const dir = textOption(options, "identity");
  const handed = dir === undefined ? undefined : await openHanded(dir);
  try {
    const helper = textOption(options, "execHelper");
    const watch = { hangUp, handed, helper, notices, retirement };
    await runUntil(stop, settings, watch, log);
  } catch (error) {
    if (!stop.aborted) throw error;
  }
  log.info("agent.stop", {});
  return 0;
}

async function openHanded(dir: string): Promise<HandedConfig> {
  const { HandedConfig } = await import("./handed_config.ts");
  return new HandedConfig(dir, bunClock);
}

function openRest(): AgentRest {
  return new AgentRest({
    clock: bunClock,
    allowJit,
    spareJit,
    holdBallast,
    dropBallast,
    collectGarbage: collectAllGarbage,
    shrinkHeap,
    giveBackPages,
  });
}

/** Who may wake an agent, and who wants to hear of it. */
interface Watch {
  readonly hangUp: HangUp;
  /** Undefined: the agent asks migasfree itself. */
  readonly handed: HandedConfig | undefined;
  /** Where root runs commands; undefined: the agent does it itself. */
  readonly helper: string | undefined;
  readonly notices: AgentNotices;
  readonly retirement: Retirement;
}

/** @throws The reason of `stop`, or why there can be no configuration. */
async function runUntil(
  stop: AbortSignal,
  settings: AgentSettingsFile,
  watch: Watch,
  log: Log,
): Promise<void> {
  const { notices, retirement } = watch;
  const progress = new Progress(bunClock, Number.POSITIVE_INFINITY);
  await using scope = new Scope(new AbortController().signal);
  scope.go((signal) => notices.feed(progress, bunClock, signal));
  const status = new OwnStatus(settings.statusSocket, scope, log);
  const config = await awaitConfig(stop, settings, watch, status, log);
  progress.step(ATTEMPT_MAX_MS);
  const identity = watchIdentity(config, watch.hangUp, log);
  const runner = scope.own(
    new CommandRunner(config.exec, {
      clock: bunClock,
      log,
      startCommand: commandStarter(config.exec, watch.helper),
    }),
  );
  const services = await serviceTable(config, runner);
  const self = {
    instance: randomHex(),
    software: VERSION,
    services,
    commands: config.exec.allow.length > 0 ? runner : undefined,
  };
  const ports = agentPorts(config, identity, log);
  const woken = () => watch.hangUp.next;
  startRenewal(scope, config, { ...identity, ...ports, woken }, log);
  const rest = openRest();
  const agent = new Agent({ ...config, ...self }, {
    ...ports,
    identityChanged: identity.changed,
    progress,
    stateChanged: () => {
      notices.show(agent.state);
      retirement.show(agent.state);
      rest.show(agent.state);
    },
  });
  log.info("agent.start", {
    version: VERSION,
    device: config.deviceId,
    name: config.name,
    services: [...services.keys()].join(),
  });
  if (config.debugInsecureTls) log.warn("tls.insecure", INSECURE_FIELDS);
  await status.show(() => statusOf(config, agent));
  await agent.run(stop);
}

/** @throws The reason of `stop`, or why there can be no configuration. */
async function awaitConfig(
  stop: AbortSignal,
  settings: AgentSettingsFile,
  { handed, hangUp, notices }: Watch,
  status: OwnStatus,
  log: Log,
): Promise<AgentConfig> {
  const sinceMs = bunClock.wallNow();
  return await awaitAgentConfig({
    clock: bunClock,
    log,
    random: Math.random,
    complete: (signal) =>
      handed?.complete(settings) ?? completeAgentConfig(settings, signal),
    waiting: async (fault) => {
      notices.waiting(fault);
      await status.show(() => waitingStatus(settings, fault, sinceMs));
    },
    woken: async () =>
      await Promise.race([
        hangUp.next,
        ...handed ? [handed.changed(stop)] : [],
      ]),
  }, stop);
}

const INSECURE_FIELDS = {
  warning: "the gateway's certificate is NOT verified: anybody can be it",
};

/** A hang that outlives the grace would keep the service manager waiting. */
function endInTime(log: Log): void {
  setTimeout(() => {
    const late = new Fault("internal", "Cannot stop in time");
    log.error("agent.stop", { afterMs: STOP_TIMEOUT_MS }, late);
    process.exit(1);
  }, STOP_TIMEOUT_MS).unref();
}

function agentPorts(
  config: AgentConfig,
  identity: { readonly read: () => Promise<TlsMaterial> },
  log: Log,
): Omit<AgentPorts, "identityChanged"> {
  const proxyOf = (url: string) => proxyFor(url, config.proxy, process.env);
  const pace = new Pace(MANAGER_PACE_MS, bunClock);
  const listeners = ListenerCache.create(bunClock.now);
  const network = watchNetworkAddresses(bunClock.now);
  return {
    clock: bunClock,
    log,
    heartbeats: new Heartbeats(bunClock, "probe", network),
    budget: new WindowBudget(config.windowBudgetBytes),
    random: Math.random,
    portStates: (addresses) => portStates(addresses, listeners),
    dialService: async (...target) => {
      const { dialTcp } = await import("../runtime/tcp_socket.ts");
      return await dialTcp(...target);
    },
    dial: async (dial, signal) => {
      const proxy = proxyOf(dial.url);
      if (proxy) log.info("link.proxy", { proxy: redactUrl(proxy) });
      return await dialWebSocket({
        ...dial,
        tls: await identity.read(),
        proxy,
        timeoutMs: DIAL_TIMEOUT_MS,
      }, signal);
    },
    findGateway: async (signal) => {
      if (config.gatewayUrl !== undefined) return config.gatewayUrl;
      await pace.wait(signal);
      const tls = await identity.read();
      const { askManager } = await import("./agent_manager.ts");
      return await askManager(config, tls, signal);
    },
  };
}

/** The certificate on disk; a hang-up counts as a change of it. */
function watchIdentity(config: AgentConfig, hangUp: HangUp, log: Log) {
  const files = new IdentityFiles(config, config.debugInsecureTls, bunClock);
  let saidMissing = false;
  const read = async () => {
    const tls = await files.read();
    const isMissing = config.isPairOptional && tls.cert === undefined;
    if (isMissing && !saidMissing) {
      const { certFile = "" } = config;
      log.warn("identity.missing", { certFile, warning: NO_CERTIFICATE });
    }
    saidMissing = isMissing;
    return tls;
  };
  const changed = async (signal: AbortSignal) => {
    const done = new AbortController();
    const either = AbortSignal.any([signal, done.signal]);
    const fileChange = files.changed(either);
    try {
      await Promise.race([fileChange, hangUp.next]);
    } finally {
      done.abort();
      await Promise.allSettled([fileChange]);
    }
  };
  return { read, changed };
}

const NO_CERTIFICATE =
  "plain TLS until migasfree has enrolled this computer: few sites allow it";
