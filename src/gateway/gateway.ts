import type { Log } from "../base/log.ts";
import type { EnrollStore } from "../policy/enroll_store.ts";
import { Fault } from "../protocol/fault.ts";
import { DEVICES_PATH, V1_PATHS } from "../protocol/version.ts";
import type { Link } from "../transport/link.ts";
import { closeWithFault } from "../transport/link_end.ts";
import { linkPair } from "../transport/link_pair.ts";
import { UnreadBytes } from "../transport/unread_bytes.ts";
import type { Caller, Visitor } from "../transport/visitor.ts";
import { type Admitted, checkStillValid } from "./admit.ts";
import { CloneWatch } from "./clone_watch.ts";
import { Door } from "./door.ts";
import { EnrollPages } from "./enroll_pages.ts";
import { statusOf } from "./fault_status.ts";
import {
  gatewayRoutes,
  type Route,
  type RoutePorts,
} from "./gateway_routes.ts";
import { managerCaller } from "./manager_caller.ts";
import type { ManagerCaller } from "./manager_pages.ts";
import { holdSlot } from "./link_slots.ts";
import { Meetings } from "./meetings.ts";
import { misfit } from "./misfit.ts";
import { OpenLinks } from "./open_links.ts";
import type { GatewayPorts } from "./ports.ts";
import type { Refusal } from "./refusal_limiter.ts";
import { Registry } from "./registry.ts";
import { Rendezvous } from "./rendezvous.ts";
import { type SelfRequest, selfVisitor } from "./self_dial.ts";
import type { Standing } from "./standing.ts";
import { TunnelQuotas } from "./tunnel_quotas.ts";
import { v1Route } from "./v1_route.ts";

/** How often certificates of open links are looked at again. */
const SWEEP_MS = 30_000;

/** What all links of protocol 1 may hold for readers that stand still. */
const V1_UNREAD_MAX_BYTES = 512 * 1024 * 1024;

/** How long links may take to say goodbye at the end of a drain. */
const FAREWELL_MS = 2_000;

/** Pairs operators with agents. One instance per process. */
export class Gateway {
  readonly registry: Registry;
  readonly #ports: GatewayPorts;
  readonly #log: Log;
  readonly #openLinks: OpenLinks;
  readonly #rendezvous: Rendezvous;
  readonly #meetings = new Meetings();
  readonly #quotas: TunnelQuotas;
  readonly #door: Door;
  readonly #clones: CloneWatch;
  readonly #routes: ReadonlyMap<string, Route>;
  /** Undefined: protocol 1 is switched off. */
  readonly #v1Route: Route | undefined;
  readonly #links = new Set<Promise<unknown>>();
  readonly #tunnels = new Set<Promise<void>>();
  readonly #stop = new AbortController();
  #draining = false;

  constructor(ports: GatewayPorts) {
    this.#ports = ports;
    this.#log = ports.log;
    this.#clones = new CloneWatch(ports);
    this.registry = new Registry(ports.cluster, this.#clones);
    this.#rendezvous = new Rendezvous(ports.cluster?.gatewayId);
    this.#openLinks = new OpenLinks((certificate) =>
      checkStillValid(certificate, ports.identity)
    );
    this.#quotas = new TunnelQuotas(ports.limits);
    this.#door = new Door(ports);
    const routePorts = this.#routePorts();
    this.#routes = gatewayRoutes(routePorts);
    this.#v1Route = ports.v1Budget && v1Route({
      ...routePorts,
      budget: ports.v1Budget,
      unread: new UnreadBytes(V1_UNREAD_MAX_BYTES),
      online: (deviceIds) => this.online(deviceIds),
      dialSelf: (request, caller) => this.#dialSelf(request, caller),
    });
  }

  get draining(): boolean {
    return this.#draining;
  }

  /** Whether what the gateways share answers; undefined: this one is alone. */
  get redis(): "up" | "away" | undefined {
    const { cluster } = this.#ports;
    return cluster && (cluster.isUp ? "up" : "away");
  }

  get tunnelCount(): number {
    return this.#tunnels.size;
  }

  /** Serves one WebSocket handshake; takes care of all that follows from it. */
  visit(visitor: Visitor): void {
    this.#track(this.#visit(visitor));
  }

  /** Who asks for an operator's page. @throws {Fault} If it may not. */
  admitOperator(caller: Caller): Admitted {
    return this.#door.admit(caller, DEVICES_PATH, "operator");
  }

  /** The pages where computers get certificates of the CA in `store`. */
  enrollPages(store: EnrollStore): EnrollPages {
    return new EnrollPages({
      ...this.#ports,
      devices: this.#ports.store,
      store,
      refuse: (caller, path, error) => this.#door.refuse(caller, path, error),
    });
  }

  /** What the pages of migasfree's manager need to know of `caller`. */
  managerCaller(caller: Caller, path: string): ManagerCaller {
    return managerCaller(caller, path, this.#door, this.#ports);
  }

  /** Returns those of `deviceIds` that are online, here or elsewhere. */
  async online(deviceIds: readonly number[]): Promise<ReadonlySet<number>> {
    const isHere = (id: number) => this.registry.find(id) !== undefined;
    const elsewhere = deviceIds.filter((id) => !isHere(id));
    const found = await this.#ports.cluster?.online(elsewhere) ?? [];
    return new Set([...deviceIds.filter(isHere), ...found]);
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
    for (const session of this.registry.all()) session.askToLeave(withinMs);
    const done = new AbortController();
    const either = AbortSignal.any([signal, done.signal]);
    const grace = clock.sleep(graceMs, either).catch(() => undefined); // Cut short.
    const ended = Promise.allSettled(this.#tunnels);
    await Promise.race([ended, grace]);
    const stopping = new Fault("gatewayDraining", "The gateway is stopping");
    this.#stop.abort(stopping);
    // They do not listen to the signal themselves: there are ten thousand.
    for (const session of this.registry.all()) session.end(stopping);
    const farewell = clock.sleep(FAREWELL_MS, done.signal).catch(() => undefined // All links have gone before.
    );
    const gone = Promise.all([...this.#links, this.#door.emptied()]);
    await Promise.race([gone, farewell]);
    done.abort();
    await Promise.all([grace, farewell]);
    this.#door.flush();
  }

  #track(work: Promise<unknown>): void {
    const serving = work.catch((error: unknown) => {
      this.#log.error("gateway.bug", {}, error);
    });
    this.#links.add(serving);
    void serving.then(() => this.#links.delete(serving));
  }

  #routeOf({ path, subprotocols }: Visitor): Route | undefined {
    const isV1 = V1_PATHS.includes(path) &&
      subprotocols.every((name) => name === "");
    return (isV1 ? this.#v1Route : undefined) ?? this.#routes.get(path);
  }

  async #visit(visitor: Visitor): Promise<void> {
    const route = this.#routeOf(visitor);
    const fault = misfit(visitor, route, this.#draining);
    if (!route || fault) {
      const why = fault ?? new Fault("internal", "There is no route");
      this.#ports.metrics.linkRefused(why.code);
      return visitor.refuse(statusOf(why.code), why);
    }
    await this.#door.hear(visitor);
    let slot: Disposable;
    try {
      slot = this.#door.takeSlot(visitor, visitor.path);
    } catch (error) {
      const full = Fault.from(error);
      return visitor.refuse(statusOf(full.code), full);
    }
    // Not awaited, here and below: a frame that waits as long as the link
    // keeps all that it has seen, the caller's request among it.
    return holdSlot(slot, this.#serve(visitor, route));
  }

  async #serve(visitor: Visitor, route: Route): Promise<Standing | void> {
    let link: Link;
    try {
      link = await visitor.accept(route.subprotocol);
    } catch (error) {
      this.#log.warn("link.left", { path: visitor.path }, error);
      return;
    }
    return this.#serveLink(link, route, visitor, () => {
      const { path } = visitor;
      return this.#door.admit(visitor, path, route.role);
    });
  }

  #serveLink(
    link: Link,
    route: Route,
    visitor: Visitor,
    admit: () => Admitted,
  ): Promise<Standing | void> {
    const { signal } = this.#stop;
    const serving = Promise.try(() =>
      route.serve(link, admit(), visitor, signal)
    );
    return this.#ending(link, serving);
  }

  #ending(
    link: Link,
    serving: Promise<Standing | void>,
  ): Promise<Standing | void> {
    return serving.catch((error: unknown) => {
      const fault = Fault.from(error);
      if (fault.code === "internal") this.#log.error("gateway.bug", {}, error);
      closeWithFault(link, fault);
    });
  }

  /** A link of our own to our own door, for who speaks protocol 1. */
  #dialSelf(request: SelfRequest, caller: Admitted): Link {
    const [near, far] = linkPair();
    const route = this.#routes.get(request.path);
    if (!route) throw new TypeError("Cannot dial where no route is");
    const visitor = selfVisitor(request, caller);
    this.#track(this.#serveLink(far, route, visitor, () => caller));
    return near;
  }

  #routePorts(): RoutePorts {
    return {
      ...this.#ports,
      registry: this.registry,
      openLinks: this.#openLinks,
      clones: this.#clones,
      rendezvous: this.#rendezvous,
      quotas: this.#quotas,
      meetings: this.#meetings,
      door: this.#door,
      attached: () => this.#meetings.recheck(),
      refused: (refusal: Refusal) => this.#door.write(refusal),
      counted: (tunnel) => this.#counted(tunnel),
    };
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
