/**
 * Some thousand agents in one process: each one a real control link with the
 * real backoff, without services, tunnels and TLS. Prints a report each
 * second. `scripts/storm` starts several of these.
 */

import {
  type ControlHandlers,
  serveControlLink,
} from "../src/agent/control_link.ts";
import type { AgentPorts } from "../src/agent/ports.ts";
import type { Log } from "../src/base/log.ts";
import { Fault } from "../src/protocol/fault.ts";
import { randomHex } from "../src/protocol/id.ts";
import { CONTROL_SUBPROTOCOL } from "../src/protocol/version.ts";
import { bunClock } from "../src/runtime/bun_clock.ts";
import { dialWebSocket } from "../src/runtime/ws_dial.ts";
import { WindowBudget } from "../src/stream/window_budget.ts";
import { UNKNOWN_CAP_MS } from "../src/transport/backoff.ts";
import { Heartbeats } from "../src/transport/heartbeats.ts";
import { superviseLink } from "../src/transport/supervise.ts";
import type { StormOrders, StormReport } from "./storm_report.ts";

const NEVER_MS = 86_400_000;
const DIAL_TIMEOUT_MS = 10_000;
/** Timers count in whole milliseconds, and may round down. */
const EARLY_TOLERANCE_MS = 1;

const orders = JSON.parse(process.argv[2] ?? "{}") as StormOrders;
const heartbeats = new Heartbeats(bunClock, "probe");
const budget = new WindowBudget(1024 * 1024);
const signal = new AbortController().signal;
const counts = { online: 0, dials: 0, early: 0, welcomes: 0 };

const tls = {
  ca: await textOf("ca_file"),
  cert: await textOf("cert_file"),
  key: await textOf("key_file"),
  insecure: false,
};

void heartbeats.run(signal);
for (let index = 0; index < orders.agentCount; index++) {
  void runAgent(orders.firstId + index);
}
setInterval(() => {
  const report: StormReport = {
    atSeconds: Math.round(Date.now() / 1_000),
    onlineCount: counts.online,
    dialCount: counts.dials,
    earlyCount: counts.early,
    welcomeCount: counts.welcomes,
  };
  process.stdout.write(`${JSON.stringify(report)}\n`);
  counts.dials = counts.early = counts.welcomes = 0;
}, 1_000);

async function runAgent(deviceId: number): Promise<never> {
  await bunClock.sleep(Math.random() * orders.spreadMs, signal);
  // When the last wait began, and how long it was to be.
  let pledge = { atMs: bunClock.now(), waitMs: 0 };
  let capMs = UNKNOWN_CAP_MS;
  const log: Log = {
    info: () => undefined,
    warn: (_event, fields) => {
      pledge = { atMs: bunClock.now(), waitMs: Number(fields["waitMs"]) };
    },
    error: () => undefined,
  };
  const ports = portsOf(deviceId, log, () => {
    counts.dials++;
    const waitedMs = bunClock.now() - pledge.atMs;
    if (waitedMs < pledge.waitMs - EARLY_TOLERANCE_MS) counts.early++;
  });
  const once = async (stood: () => void, signal: AbortSignal) => {
    let isOnline = false;
    const handlers: ControlHandlers = {
      welcomed: (welcome) => {
        isOnline = true;
        counts.online++;
        counts.welcomes++;
        capMs = welcome.retry_cap_ms;
        stood();
      },
      open: () => undefined,
      cancel: () => undefined,
      news: () => undefined,
    };
    try {
      return await serveOne(deviceId, ports, handlers, signal);
    } catch (error) {
      if (isOnline) counts.online--;
      return Fault.from(error);
    }
  };
  const changed = (signal: AbortSignal) => bunClock.sleep(NEVER_MS, signal);
  return await superviseLink(once, {
    clock: bunClock,
    log,
    random: Math.random,
    capMs: () => capMs,
    changed,
  }, signal);
}

async function serveOne(
  deviceId: number,
  ports: AgentPorts,
  handlers: ControlHandlers,
  signal: AbortSignal,
): Promise<never> {
  const { url: gatewayUrl } = orders;
  const link = await ports.dial({
    url: gatewayUrl,
    subprotocol: CONTROL_SUBPROTOCOL,
    headers: {},
  }, signal);
  const dialed = {
    link,
    gatewayUrl,
    protocol: 2,
    isRemembered: false,
  } as const;
  return await serveControlLink(
    dialed,
    {
      deviceId,
      name: `storm-${deviceId}`,
      services: new Map(),
      commands: undefined,
      protocol: "2",
      tunnelsMax: 1,
      instance: randomHex(),
      software: "storm",
    },
    ports,
    handlers,
    signal,
  );
}

async function textOf(
  name: "ca_file" | "cert_file" | "key_file",
): Promise<string | undefined> {
  return orders.identity && await Bun.file(orders.identity[name]).text();
}

function portsOf(deviceId: number, log: Log, dialed: () => void): AgentPorts {
  const subject = `/O=storm.test/OU=COMPUTERS/CN=storm_${deviceId}`;
  // Somewhere in 10.0.0.0/8, so that it counts for itself.
  const address = `10.${deviceId >> 16}.${deviceId >> 8 & 255}.${
    deviceId & 255
  }`;
  return {
    clock: bunClock,
    log,
    heartbeats,
    budget,
    random: Math.random,
    dial: async ({ url }, signal) => {
      dialed();
      return await dialWebSocket({
        url,
        subprotocol: CONTROL_SUBPROTOCOL,
        headers: { "X-SSL-Client-CN": subject, "X-Forwarded-For": address },
        tls,
        proxy: undefined,
        timeoutMs: DIAL_TIMEOUT_MS,
      }, signal);
    },
    findGateway: () => Promise.resolve(orders.url),
    dialService: () => Promise.reject(new Error("There is none")),
    portStates: () => Promise.resolve([]),
    identityChanged: (signal) => bunClock.sleep(NEVER_MS, signal),
  };
}
