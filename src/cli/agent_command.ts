import { mkdir } from "node:fs/promises";
import { dirname } from "node:path";
import { Agent } from "../agent/agent.ts";
import type { AgentConfig } from "../agent/config.ts";
import { findGateway } from "../agent/find_gateway.ts";
import type { AgentPorts } from "../agent/ports.ts";
import type { Log } from "../base/log.ts";
import { Scope } from "../base/scope.ts";
import { Fault } from "../protocol/fault.ts";
import { randomHex } from "../protocol/id.ts";
import { bunClock } from "../runtime/bun_clock.ts";
import { HttpsClient } from "../runtime/https_client.ts";
import { IdentityFiles } from "../runtime/identity_files.ts";
import { portStates } from "../runtime/listening_ports.ts";
import { proxyFor, redactUrl } from "../runtime/proxy.ts";
import { stopOnSignals } from "../runtime/signals.ts";
import { serveStatus } from "../runtime/status_socket.ts";
import { dialTcp } from "../runtime/tcp_socket.ts";
import { dialWebSocket } from "../runtime/ws_dial.ts";
import { WindowBudget } from "../stream/window_budget.ts";
import { Heartbeats } from "../transport/heartbeats.ts";
import { loadAgentConfig } from "./agent_config.ts";
import { statusOf } from "./agent_status.ts";
import { createLog } from "./log.ts";
import { type Options, textOption } from "./options.ts";
import type { Output } from "./output.ts";
import { VERSION } from "./version.ts";

/** How long a handshake with the gateway may take, name look-up included. */
const DIAL_TIMEOUT_MS = 10_000;

/** The state directory, where the agent has to make it. */
const STATE_DIR_MODE = 0o750;

/** How long a stop may take in all before the process ends anyway. */
const STOP_TIMEOUT_MS = 9_000;

/** Runs the agent until it is told to stop. Returns its exit status. */
export async function runAgent(
  options: Options,
  output: Output,
): Promise<number> {
  const { config, warnings } = await loadAgentConfig(options);
  const log = createLog(
    textOption(options, "logFormat") ?? config.logFormat,
    output,
  );
  for (const warning of warnings) log.warn("config.warning", { warning });
  const { identity, wake } = watchIdentity(config);
  using stop = stopOnSignals(log, { onHangUp: wake });
  const ports = agentPorts(config, identity, log);
  const self = { instance: randomHex(), software: VERSION };
  const agent = new Agent({ ...config, ...self }, {
    ...ports,
    identityChanged: identity.changed,
  });
  log.info("agent.start", {
    version: VERSION,
    device: config.deviceId,
    name: config.name,
    services: [...config.services.keys()].join(),
  });
  if (config.debugInsecureTls) log.warn("tls.insecure", INSECURE_FIELDS);
  await using scope = new Scope(new AbortController().signal);
  await ownStatus(scope, config, agent, log);
  stop.addEventListener("abort", () => endInTime(log), { once: true });
  try {
    await agent.run(stop);
  } catch (error) {
    if (!stop.aborted) throw error;
  }
  log.info("agent.stop", {});
  return 0;
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

/** The status socket is for people: an agent without one works as well. */
async function ownStatus(
  scope: Scope,
  config: AgentConfig,
  agent: Agent,
  log: Log,
): Promise<void> {
  try {
    if (process.platform !== "win32") {
      await mkdir(dirname(config.statusSocket), {
        recursive: true,
        mode: STATE_DIR_MODE,
      });
    }
    scope.own(
      await serveStatus(config.statusSocket, () => statusOf(config, agent)),
    );
  } catch (error) {
    log.warn("status.unavailable", { socket: config.statusSocket }, error);
  }
}

function agentPorts(
  config: AgentConfig,
  identity: { readonly files: IdentityFiles },
  log: Log,
): Omit<AgentPorts, "identityChanged"> {
  const proxyOf = (url: string) => proxyFor(url, config.proxy, process.env);
  return {
    clock: bunClock,
    log,
    heartbeats: new Heartbeats(bunClock, "probe"),
    budget: new WindowBudget(config.windowBudgetBytes),
    random: Math.random,
    portStates,
    dialService: dialTcp,
    dial: async (dial, signal) => {
      const proxy = proxyOf(dial.url);
      if (proxy) log.info("link.proxy", { proxy: redactUrl(proxy) });
      return await dialWebSocket({
        ...dial,
        tls: await identity.files.read(),
        proxy,
        timeoutMs: DIAL_TIMEOUT_MS,
      }, signal);
    },
    findGateway: async (signal) => {
      if (config.gatewayUrl !== undefined) return config.gatewayUrl;
      const tls = await identity.files.read();
      const { deviceId, manager = "", name, services } = config;
      const proxy = proxyOf(manager);
      const client = new HttpsClient({
        tls,
        proxy,
        timeoutMs: DIAL_TIMEOUT_MS,
      });
      return await findGateway(
        {
          manager,
          deviceId,
          name,
          services: [...services.keys()],
          mayBePlain: config.debugInsecureTls,
        },
        { clock: bunClock, postJson: client.postJson.bind(client) },
        signal,
      );
    },
  };
}

/** The certificate on disk; a hang-up counts as a change of it. */
function watchIdentity(config: AgentConfig) {
  const files = new IdentityFiles(config, config.debugInsecureTls, bunClock);
  let hungUp = Promise.withResolvers<void>();
  const wake = () => {
    hungUp.resolve();
    hungUp = Promise.withResolvers<void>();
  };
  const changed = async (signal: AbortSignal) => {
    const done = new AbortController();
    const either = AbortSignal.any([signal, done.signal]);
    const fileChange = files.changed(either);
    try {
      await Promise.race([fileChange, hungUp.promise]);
    } finally {
      done.abort();
      await Promise.allSettled([fileChange]);
    }
  };
  return { identity: { files, changed }, wake };
}
