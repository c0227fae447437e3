import type { Log } from "../base/log.ts";
import { Fault } from "../protocol/fault.ts";
import {
  CONNECT_PATH,
  CONTROL_PATH,
  CONTROL_SUBPROTOCOL,
  DEVICES_PATH,
  RESUME_PATH,
  STREAM_PATH,
  STREAM_SUBPROTOCOL,
} from "../protocol/version.ts";
import type { Link } from "../transport/link.ts";
import { closeWithFault } from "../transport/link_end.ts";
import type { Caller, Visitor } from "../transport/visitor.ts";
import { type Admitted, checkStillValid } from "./admit.ts";
import { Door } from "./door.ts";
import { statusOf } from "./fault_status.ts";
import { Meetings } from "./meetings.ts";
import { OpenLinks } from "./open_links.ts";
import type { GatewayPorts } from "./ports.ts";
import type { Refusal } from "./refusal_limiter.ts";
import { Registry } from "./registry.ts";
import { Rendezvous } from "./rendezvous.ts";
import { serveAgent } from "./serve_agent.ts";
import { serveOperator } from "./serve_operator.ts";
import { serveResume } from "./serve_resume.ts";
import { TunnelQuotas } from "./tunnel_quotas.ts";

/** How often certificates of open links are looked at again. */
const SWEEP_MS = 30_000;

/** How long links may take to say goodbye at the end of a drain. */
const FAREWELL_MS = 2_000;

/** One kind of link: who may open it, and what serves it. */
interface Route {
  readonly subprotocol: string;
  /** Undefined: either. */
  readonly role?: "agent" | "operator";
  readonly serve: (
    link: Link,
    caller: Admitted,
    visitor: Visitor,
    signal: AbortSignal,
  ) => Promise<void>;
}

/** Pairs operators with agents. One instance per process. */
export class Gateway {
  readonly registry = new Registry();
  readonly #ports: GatewayPorts;
  readonly #log: Log;
  readonly #openLinks: OpenLinks;
  readonly #rendezvous = new Rendezvous();
  readonly #meetings = new Meetings();
  readonly #quotas: TunnelQuotas;
  readonly #door: Door;
  readonly #routes: ReadonlyMap<string, Route>;
  readonly #links = new Set<Promise<void>>();
  readonly #tunnels = new Set<Promise<void>>();
  readonly #stop = new AbortController();
  #draining = false;

  constructor(ports: GatewayPorts) {
    this.#ports = ports;
    this.#log = ports.log;
    this.#openLinks = new OpenLinks((certificate) =>
      checkStillValid(certificate, ports.identity)
    );
    this.#quotas = new TunnelQuotas(ports.limits);
    this.#door = new Door(ports);
    this.#routes = this.#makeRoutes();
  }

  get draining(): boolean {
    return this.#draining;
  }

  get tunnelCount(): number {
    return this.#tunnels.size;
  }

  /** Serves one WebSocket handshake; takes care of all that follows from it. */
  visit(visitor: Visitor): void {
    const serving = this.#visit(visitor).catch((error: unknown) => {
      this.#log.error("gateway.bug", {}, error);
    });
    this.#links.add(serving);
    void serving.then(() => this.#links.delete(serving));
  }

  /** Who asks for an operator's page. @throws {Fault} If it may not. */
  admitOperator(caller: Caller): Admitted {
    return this.#door.admit(caller, DEVICES_PATH, "operator");
  }

  /** Looks at all certificates again, now. Returns how many links ended. */
  sweep(): number {
    return this.#openLinks.sweep();
  }

  /** Sweeps now and then until `signal` aborts. @throws `signal.reason` */
  async run(signal: AbortSignal): Promise<never> {
    for (;;) {
      await this.#ports.clock.sleep(SWEEP_MS, signal);
      this.sweep();
      this.#door.sweep();
    }
  }

  /**
   * Takes no new links, asks the agents to come back within `withinMs`, gives
   * running tunnels `graceMs`, then ends what is left.
   *
   * @param signal Cuts the grace short.
   */
  async drain(
    graceMs: number,
    withinMs: number,
    signal: AbortSignal,
  ): Promise<void> {
    this.#draining = true;
    const { clock } = this.#ports;
    this.#log.info("gateway.drain", {
      agents: this.registry.count,
      tunnels: this.#tunnels.size,
      graceMs,
    });
    for (const session of this.registry.all()) session.drain(withinMs);
    const done = new AbortController();
    const either = AbortSignal.any([signal, done.signal]);
    const grace = clock.sleep(graceMs, either).catch(() => undefined); // Cut short.
    const ended = Promise.allSettled(this.#tunnels);
    await Promise.race([ended, grace]);
    this.#stop.abort(
      new Fault("gatewayDraining", "The gateway is stopping"),
    );
    const farewell = clock.sleep(FAREWELL_MS, done.signal).catch(() => undefined // All links have gone before.
    );
    await Promise.race([Promise.all(this.#links), farewell]);
    done.abort();
    await Promise.all([grace, farewell]);
    this.#door.flush();
  }

  async #visit(visitor: Visitor): Promise<void> {
    const route = this.#routes.get(visitor.path);
    const fault = this.#misfit(visitor, route);
    if (!route || fault) {
      const why = fault ?? new Fault("internal", "There is no route");
      return visitor.refuse(statusOf(why.code), why);
    }
    let slot: Disposable;
    try {
      slot = this.#door.takeSlot(visitor, visitor.path);
    } catch (error) {
      const full = Fault.from(error);
      return visitor.refuse(statusOf(full.code), full);
    }
    using _slot = slot;
    await this.#serve(visitor, route);
  }

  async #serve(visitor: Visitor, route: Route): Promise<void> {
    let link: Link;
    try {
      link = await visitor.accept(route.subprotocol);
    } catch (error) {
      this.#log.warn("link.left", { path: visitor.path }, error);
      return;
    }
    try {
      const { path } = visitor;
      const caller = this.#door.admit(visitor, path, route.role);
      await route.serve(link, caller, visitor, this.#stop.signal);
    } catch (error) {
      const fault = Fault.from(error);
      if (fault.code === "internal") this.#log.error("gateway.bug", {}, error);
      closeWithFault(link, fault);
    }
  }

  /** Why a handshake is not one for us, before anybody is believed. */
  #misfit(visitor: Visitor, route: Route | undefined): Fault | undefined {
    if (!route) {
      return new Fault("gatewayRefused", `There is nothing at this path`, {
        hint: "Links begin at /tunnel",
      });
    }
    if (this.#draining) {
      return new Fault("gatewayDraining", "The gateway is stopping", {
        hint: "Try again",
        retryAfterMs: 1_000,
      });
    }
    if (!visitor.subprotocols.includes(route.subprotocol)) {
      return new Fault(
        "versionUnsupported",
        `Cannot speak with a peer that does not offer ${route.subprotocol}`,
        { hint: "Upgrade the peer" },
      );
    }
    return undefined;
  }

  #makeRoutes(): ReadonlyMap<string, Route> {
    const ports = {
      ...this.#ports,
      registry: this.registry,
      openLinks: this.#openLinks,
      rendezvous: this.#rendezvous,
      quotas: this.#quotas,
      meetings: this.#meetings,
      attached: () => this.#meetings.recheck(),
      refused: (refusal: Refusal) => this.#door.write(refusal),
    };
    return new Map<string, Route>([
      [CONTROL_PATH, {
        subprotocol: CONTROL_SUBPROTOCOL,
        role: "agent",
        serve: (link, agent, visitor, signal) =>
          this.#auditing(visitor, () => serveAgent(link, agent, ports, signal)),
      }],
      [STREAM_PATH, {
        subprotocol: STREAM_SUBPROTOCOL,
        role: "agent",
        serve: (link, agent, visitor) =>
          this.#auditing(visitor, () => {
            const ticket = bearer(visitor.header("authorization"));
            const { subject } = agent.principal;
            this.#rendezvous.redeem(ticket, subject)({ link, agent });
            return Promise.resolve();
          }),
      }],
      [RESUME_PATH, {
        subprotocol: STREAM_SUBPROTOCOL,
        serve: (link, caller, visitor, signal) =>
          this.#counted(this.#auditing(visitor, () => {
            const token = bearer(visitor.header("authorization"));
            return serveResume(link, caller, token, ports, signal);
          })),
      }],
      [CONNECT_PATH, {
        subprotocol: STREAM_SUBPROTOCOL,
        role: "operator",
        serve: (link, operator, { query }, signal) =>
          this.#counted(serveOperator(link, operator, query, ports, signal)),
      }],
    ]);
  }

  /** What an agent does wrong at the door is written down as refused. */
  async #auditing(visitor: Visitor, serve: () => Promise<void>): Promise<void> {
    try {
      await serve();
    } catch (error) {
      throw this.#door.refuse(visitor, visitor.path, error);
    }
  }

  async #counted(tunnel: Promise<void>): Promise<void> {
    this.#tunnels.add(tunnel);
    try {
      await tunnel;
    } finally {
      this.#tunnels.delete(tunnel);
    }
  }
}

function bearer(authorization: string | undefined): string {
  // RFC 6750 §2.1; the scheme's name is case-insensitive (RFC 9110 §11.1).
  return /^bearer ([\w.-]+)$/i.exec(authorization ?? "")?.[1] ?? "";
}
