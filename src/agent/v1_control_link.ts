import { withDeadline } from "../base/deadline.ts";
import { Scope } from "../base/scope.ts";
import { Fault } from "../protocol/fault.ts";
import { CLOSE_TIMEOUT_MS } from "../protocol/limits.ts";
import type { V1Message, V1TunnelData } from "../protocol/v1_message.ts";
import { ATTEMPT_MAX_MS } from "../transport/supervise.ts";
import { V1_DIALECTS } from "../transport/v1_dialect.ts";
import { V1Link, type V1Owner } from "../transport/v1_link.ts";
import type { DialedGateway } from "./gateway_dial.ts";
import type { AgentPorts, AgentSettings } from "./ports.ts";
import type { RunningTunnels } from "./running_tunnels.ts";
import { V1Commands } from "./v1_commands.ts";
import { V1Ignorance } from "./v1_ignorance.ts";
import { type V1Past, V1Registration } from "./v1_registration.ts";
import { V1Tunnels } from "./v1_tunnels.ts";

/** As migasfree's own relay and agent have it. */
const HEARTBEAT = { "interval_ms": 20_000, "timeout_ms": 60_000 };

/** Its relay writes to its database before it answers. */
const REGISTER_TIMEOUT_MS = 30_000;

/**
 * Least wait after any end: by then the relay has forgotten the link that was
 * (see {@linkcode V1Registration}), and one that turns everybody away has peace.
 */
const RETURN_MIN_MS = 2_000;

/** The same after a relay has said that it is full. */
const TURNED_AWAY_MIN_MS = 5_000;

/** How long we trust that operators still find us in the manager's list. */
const LISTED_FOR_MS = [20 * 60_000, 40 * 60_000] as const;

/** How long a certificate waits for tunnels to end, and how often we look. */
const IDENTITY_PATIENCE_MS = 60 * 60_000;
const LOOK_EVERY_MS = 1_000;

/** Tunnels and commands stop long before this: only answers go beyond it. */
const UNHEARD_MAX_BYTES = 16 * 1024 * 1024;

/** RFC 6455 §7.4.1: we go away. */
const GOING_AWAY_CLOSE = 1001;

type Heard = Exclude<V1Message, V1TunnelData>;

/** What a protocol 1 link asks of the agent that it serves. */
export interface V1Handlers {
  /** The relay has let us in. */
  readonly registered: () => void;
  /** Protocol 2 is to be asked for the next time. */
  readonly forget: () => void;
  readonly running: RunningTunnels;
  readonly past: V1Past;
}

/**
 * Serves one link to a relay that speaks protocol 1 until it ends, and with it
 * every tunnel and command that came over it.
 *
 * @throws {Fault} Why it ended, always: the caller decides when to dial again.
 * @throws `signal.reason` once aborted, after the relay has been told.
 */
export async function serveV1ControlLink(
  dialed: DialedGateway,
  settings: AgentSettings,
  ports: AgentPorts,
  handlers: V1Handlers,
  signal: AbortSignal,
): Promise<never> {
  await using scope = new Scope(signal);
  const served = new V1ControlLink(dialed, settings, ports, handlers, scope);
  try {
    return await served.serve();
  } catch (error) {
    const fault = Fault.from(signal.aborted ? signal.reason : error);
    await served.leave(fault);
    throw signal.aborted ? fault : rested(fault);
  }
}

/** Returns `fault` with the least time to stay away. */
function rested(fault: Fault): Fault {
  const { cause, code, hint, message, returnWithinMs } = fault;
  const retryAfterMs = Math.max(fault.retryAfterMs ?? 0, RETURN_MIN_MS);
  return returnWithinMs === undefined
    ? new Fault(code, message, { cause, hint, retryAfterMs })
    : new Fault(code, message, { cause, hint, returnWithinMs: RETURN_MIN_MS });
}

class V1ControlLink implements V1Owner {
  readonly #dialed: DialedGateway;
  readonly #ports: AgentPorts;
  readonly #handlers: V1Handlers;
  readonly #scope: Scope;
  readonly #link: V1Link;
  readonly #tunnels: V1Tunnels;
  readonly #commands: V1Commands;
  readonly #registration: V1Registration;
  readonly #ignorance: V1Ignorance;
  /** Which protocols the other side speaks. */
  readonly #registered = Promise.withResolvers<readonly number[]>();
  readonly #closed = Promise.withResolvers<Fault>();
  /** What the relay has against us. */
  #refusal: string | undefined;

  constructor(
    dialed: DialedGateway,
    settings: AgentSettings,
    ports: AgentPorts,
    handlers: V1Handlers,
    scope: Scope,
  ) {
    const { clock } = ports;
    const { past, running } = handlers;
    this.#dialed = dialed;
    this.#ports = ports;
    this.#handlers = handlers;
    this.#scope = scope;
    const v1 = new V1Link(dialed.link, V1_DIALECTS.agentToGateway, this, {
      ...ports,
      heartbeat: HEARTBEAT,
    });
    this.#link = v1;
    this.#tunnels = new V1Tunnels(v1, settings, ports, running);
    this.#commands = new V1Commands(v1, settings.commands, running, clock);
    this.#registration = new V1Registration(v1, settings, ports, past);
    this.#ignorance = new V1Ignorance(ports);
  }

  /** @throws {Fault} Why the link has ended, or has to. */
  async serve(): Promise<never> {
    const scope = this.#scope;
    scope.go(async (signal) => {
      throw await orAbort(this.#closed.promise, signal);
    });
    await this.#registration.register();
    this.#link.begin();
    const protocols = await withDeadline(
      (signal) => orAbort(this.#registered.promise, signal),
      REGISTER_TIMEOUT_MS,
      () => new Fault("linkSilent", "The relay did not answer us"),
      this.#ports.clock,
      scope.signal,
    );
    const isOurs = protocols.includes(2);
    if (isOurs && this.#dialed.isRemembered) {
      this.#handlers.forget();
      const message = "The gateway has learned protocol 2";
      throw new Fault("versionUnsupported", message, { returnWithinMs: 0 });
    }
    this.#handlers.registered();
    scope.go((signal) => this.#registration.watch(signal));
    // At a gateway of ours, the newest link of a device always wins.
    if (!isOurs) scope.go((signal) => this.#registration.verify(signal));
    scope.go((signal) => this.#stayListed(signal));
    scope.go((signal) => this.#watchIdentity(signal));
    await scope.join();
    throw new Fault("internal", "Nothing serves the link any more");
  }

  /** Tells everybody that it is over, and waits until the link has closed. */
  async leave(fault: Fault): Promise<void> {
    this.#commands.abandon(fault);
    this.#link.closeTunnels(fault);
    this.#link.close(GOING_AWAY_CLOSE, fault.code);
    // Two registrations at a time would remove each other.
    await withDeadline(
      () => this.#closed.promise,
      CLOSE_TIMEOUT_MS + 1_000,
      () => new Fault("linkLost", "The relay did not say goodbye"),
      this.#ports.clock,
      new AbortController().signal,
    ).catch(() => undefined); // It was cut meanwhile.
  }

  // From the link.

  v1Message(message: Heard): void {
    // Whoever asks and does not read has enough to hear.
    if (this.#link.bufferedBytes > UNHEARD_MAX_BYTES) {
      return this.#ignorance.ignored("what we say is not read");
    }
    if (this.#registration.heard(message)) return;
    switch (message.type) {
      case "registration_ok":
        return this.#registered.resolve(message.protocols ?? [1]);
      case "error":
        this.#refusal = message.message;
        return this.#ignorance.ignored(`error: ${message.message}`);
      case "start_tcp_tunnel": {
        const run = this.#tunnels.start(message);
        return run && this.#scope.go(run);
      }
      case "execute_command": {
        const begin = this.#commands.start(message);
        return begin && this.#scope.go(begin);
      }
      case "close_tcp_tunnel":
      case "close_tunnel":
      case "tunnel_closed":
        return; // The echo of our own, or of what never was.
      default:
        return this.#ignorance.ignored(`${message.type} is not for an agent`);
    }
  }

  v1Ignored(why: string): void {
    this.#ignorance.ignored(why);
  }

  v1Heard(): void {
    // The silence that ends a link, a sleep's probe, and the goodbye.
    this.#ports.progress?.step(HEARTBEAT.timeout_ms + ATTEMPT_MAX_MS);
  }

  v1Drained(): void {
    this.#commands.drained();
  }

  v1Closed(fault: Fault): void {
    this.#registration.closed();
    // Nobody can be told any more, and nobody could stop them.
    this.#commands.abandon(fault);
    this.#closed.resolve(
      this.#refusal === undefined ? fault : turnedAway(this.#refusal),
    );
  }

  /**
   * Registers with the manager now and then: should its database lose what it
   * knows, the relay, which keeps the entry alive, would not write it anew.
   * Unlike a registration at the relay, this takes no place there.
   */
  async #stayListed(signal: AbortSignal): Promise<never> {
    const { clock, findGateway, log, random } = this.#ports;
    const [minMs, maxMs] = LISTED_FOR_MS;
    for (;;) {
      await clock.sleep(minMs + random() * (maxMs - minMs), signal);
      try {
        await findGateway(signal);
      } catch (error) {
        signal.throwIfAborted();
        log.warn("link.unlisted", {}, error);
      }
    }
  }

  /** A new certificate is shown once nobody is cut off by it, if that comes. */
  async #watchIdentity(signal: AbortSignal): Promise<never> {
    const { clock, identityChanged, stateChanged } = this.#ports;
    const { running } = this.#handlers;
    await identityChanged(signal);
    // Whoever has asked for it need not wait for the tunnels.
    stateChanged?.();
    const endMs = clock.now() + IDENTITY_PATIENCE_MS;
    while (running.all.length > 0 && clock.now() < endMs) {
      await clock.sleep(LOOK_EVERY_MS, signal);
    }
    const message = "The certificate on disk has changed";
    throw new Fault("identityChanged", message, { returnWithinMs: 0 });
  }
}

/** Upstream's relay has a limit, and its count of links never goes down. */
function turnedAway(refusal: string): Fault {
  return new Fault("quotaExceeded", `The relay turned us away: ${refusal}`, {
    hint: "Raise TUNNEL_CONNECTIONS of the relay, or restart it",
    retryAfterMs: TURNED_AWAY_MIN_MS,
  });
}

/** @throws `signal.reason` once aborted. */
function orAbort<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  const { promise: aborted, reject } = Promise.withResolvers<never>();
  const stop = () => reject(signal.reason);
  signal.addEventListener("abort", stop, { once: true });
  if (signal.aborted) stop();
  return Promise.race([promise, aborted])
    .finally(() => signal.removeEventListener("abort", stop));
}
