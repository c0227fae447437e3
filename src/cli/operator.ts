import { homedir } from "node:os";
import { join, resolve } from "node:path";
import { Scope } from "../base/scope.ts";
import { plainText } from "../base/text.ts";
import {
  type OperatorConfig,
  operatorConfig,
  type OperatorFlags,
} from "../connect/config.ts";
import type { OperatorPorts } from "../connect/ports.ts";
import { bunClock } from "../runtime/bun_clock.ts";
import { HttpsClient } from "../runtime/https_client.ts";
import { IdentityFiles } from "../runtime/identity_files.ts";
import { proxyFor } from "../runtime/proxy.ts";
import { stopOnSignals } from "../runtime/signals.ts";
import { dialWebSocket } from "../runtime/ws_dial.ts";
import { WindowBudget } from "../stream/window_budget.ts";
import { Heartbeats } from "../transport/heartbeats.ts";
import { listFolder } from "./folders.ts";
import { type Options, textOption } from "./options.ts";
import type { Output } from "./output.ts";

/** How long a handshake with the gateway may take, name look-up included. */
const DIAL_TIMEOUT_MS = 10_000;

/** How long a tunnel may go on after its terminal, or its ssh, has gone. */
const HANG_UP_GRACE_MS = 3_000;

/** What a shell reports for a process that SIGHUP ended (POSIX XCU §2.8.2). */
const HANG_UP_STATUS = 129;

/** What the windows of one operator's tunnels may grow by together. */
const WINDOW_BUDGET_BYTES = 64 * 1024 * 1024;

/** Where operators keep certificates and what they know of hosts. */
export const OPERATOR_DIR = join(homedir(), ".migasfree-connect");

/** An operator who has a gateway and a certificate, and can be stopped. */
export interface Operator {
  readonly config: OperatorConfig;
  readonly ports: OperatorPorts;
  /** Says a line to the person, unless told to be quiet. */
  readonly say: (line: string) => void;
  /** Aborts at Ctrl-C or SIGTERM, with a fault. */
  readonly signal: AbortSignal;
}

/** Runs `work` as the operator that `options` describe. */
export async function asOperator<T>(
  options: Options,
  output: Output,
  work: (operator: Operator) => Promise<T>,
): Promise<T> {
  const insecure = Boolean(options["debugInsecureTls"]);
  const config = await operatorConfig(flagsOf(options), {
    home: homedir(),
    env: process.env,
    listFolder,
  });
  const proxy = textOption(options, "proxy") ?? config.proxy;
  if (insecure) {
    output.say("WARNING: the gateway's certificate is NOT verified");
  }
  const identity = new IdentityFiles(config, insecure, bunClock);
  const heartbeats = new Heartbeats(bunClock, "probe");
  using stop = stopOnSignals(undefined, {
    code: "tunnelCancelled",
    who: "The operator's program",
    onHangUp: endSoon,
  });
  await using scope = new Scope(stop);
  scope.go((signal) => heartbeats.run(signal));
  const proxyOf = (url: string) => proxyFor(url, proxy, process.env);
  const say = options["quiet"] ? () => undefined : output.say;
  return await work({
    config,
    signal: stop,
    say,
    ports: {
      clock: bunClock,
      heartbeats,
      budget: new WindowBudget(WINDOW_BUDGET_BYTES),
      gatewayUrl: config.gatewayUrl,
      random: Math.random,
      lost: (fault) => say(`${plainText(fault.message, 200)}; coming back`),
      back: (ms) => say(`The tunnel is back after ${(ms / 1000).toFixed(1)} s`),
      dial: async (url, subprotocol, headers, signal) =>
        await dialWebSocket({
          url,
          subprotocol,
          headers,
          tls: await identity.read(),
          proxy: proxyOf(url),
          timeoutMs: DIAL_TIMEOUT_MS,
        }, signal),
      getJson: async (url, signal) =>
        await new HttpsClient({
          tls: await identity.read(),
          proxy: proxyOf(url),
          timeoutMs: DIAL_TIMEOUT_MS,
        }).getJson(url, signal),
    },
  });
}

function flagsOf(options: Options): OperatorFlags {
  return {
    gateway: textOption(options, "gateway"),
    ca: textOption(options, "ca"),
    cert: textOption(options, "cert"),
    key: textOption(options, "key"),
  };
}

/**
 * ssh hangs up on its ProxyCommand as soon as its session is over. Both ends
 * of the bytes have come to their end by then, or soon will: time to say so.
 */
function endSoon(): void {
  setTimeout(() => process.exit(HANG_UP_STATUS), HANG_UP_GRACE_MS).unref();
}

/** Returns the flags that make another call of this program do as this one. */
export function gatewayArgs(options: Options): string[] {
  const args: string[] = [];
  for (const name of ["gateway", "ca", "cert", "key", "proxy"]) {
    const value = textOption(options, name);
    if (value === undefined) continue;
    // Another call may have another working directory.
    const isFile = name !== "gateway" && name !== "proxy";
    args.push(`--${name}`, isFile ? resolve(value) : value);
  }
  if (options["debugInsecureTls"]) args.push("--debug-insecure-tls");
  return args;
}
