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
import { Site } from "../connect/site.ts";
import { bunClock } from "../runtime/bun_clock.ts";
import { commonNameOf } from "../runtime/common_name.ts";
import { collectAllGarbage } from "../runtime/give_back_memory.ts";
import { holdBallast } from "../runtime/heap_ballast.ts";
import { IdentityFiles } from "../runtime/identity_files.ts";
import { networkAddresses } from "../runtime/network_addresses.ts";
import { proxyFor } from "../runtime/proxy.ts";
import { stopOnSignals } from "../runtime/signals.ts";
import { CountedGarbage } from "../runtime/counted_garbage.ts";
import { WindowBudget } from "../stream/window_budget.ts";
import { Heartbeats } from "../transport/heartbeats.ts";
import { listFolder } from "./folders.ts";
import { operatorDialing } from "./operator_dialing.ts";
import { type Options, textOption } from "./options.ts";
import type { Output } from "./output.ts";

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
  using stop = stopOnSignals(undefined, {
    code: "tunnelCancelled",
    who: "The operator's program",
    onHangUp: endSoon,
  });
  const config = await configOf(options, output, stop);
  const proxy = textOption(options, "proxy") ?? config.proxy;
  if (insecure) {
    output.say("WARNING: the gateway's certificate is NOT verified");
  }
  const identity = new IdentityFiles(config, insecure, bunClock);
  const heartbeats = new Heartbeats(bunClock, "probe", networkAddresses);
  holdBallast();
  const garbage = new CountedGarbage(collectAllGarbage);
  await using scope = new Scope(stop);
  scope.go((signal) => heartbeats.run(signal));
  const proxyOf = (url: string) => proxyFor(url, proxy, process.env);
  const say = options["quiet"] ? () => undefined : output.say;
  if (options["cert"] === false) {
    say("No certificate is shown: only sites that let everybody in take that");
  }
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
      site: new Site(),
      tunnelEnded: () => garbage.add(1),
      commonName: async () => commonNameOf((await identity.read()).cert),
      lost: (fault) => say(`${plainText(fault.message, 200)}; coming back`),
      back: (ms) => say(`The tunnel is back after ${(ms / 1000).toFixed(1)} s`),
      ...operatorDialing(config, identity, proxyOf),
    },
  });
}

async function configOf(
  options: Options,
  output: Output,
  signal: AbortSignal,
): Promise<OperatorConfig> {
  return await operatorConfig(flagsOf(options), {
    home: homedir(),
    env: process.env,
    listFolder,
    importBundle: async (path, folder) => {
      // Needed once in an operator's life.
      const { openBundle, storeBundle } = await import("./import_bundle.ts");
      const identity = await openBundle(path, options, signal);
      await storeBundle(folder, identity, false, output.say);
    },
  });
}

function flagsOf(options: Options): OperatorFlags {
  return {
    gateway: textOption(options, "gateway"),
    ca: textOption(options, "ca"),
    cert: textOption(options, "cert"),
    key: textOption(options, "key"),
    isNobody: options["cert"] === false,
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
  if (options["cert"] === false) args.push("--no-cert");
  if (options["debugInsecureTls"]) args.push("--debug-insecure-tls");
  if (options["quiet"]) args.push("--quiet");
  return args;
}
