import { EXEC_SERVICE } from "../protocol/exec_message.ts";
import { Fault } from "../protocol/fault.ts";
import type { V1Message, V1TunnelData } from "../protocol/v1_message.ts";
import { CONNECT_PATH } from "../protocol/version.ts";
import type { Link } from "../transport/link.ts";
import { closeWithFault } from "../transport/link_end.ts";
import { V1_DIALECTS } from "../transport/v1_dialect.ts";
import { V1Link, type V1Owner } from "../transport/v1_link.ts";
import type { V1Tunnel } from "../transport/v1_tunnel.ts";
import type { Admitted } from "./admit.ts";
import { AskLimiter } from "./ask_limiter.ts";
import { V1Commands, type V1CommandsOwner } from "./v1_commands.ts";
import { v1Heartbeat } from "./v1_heartbeat.ts";
import { runV1Stream, type V1StreamPorts } from "./v1_stream.ts";
import { v1ErrorText, v1NotFound } from "./v1_text.ts";

export interface V1OperatorPorts extends V1StreamPorts {
  /** The agents that are online, as upstream's relay lists them. */
  readonly listAgents: () => Promise<readonly object[]>;
  readonly isOnline: (deviceId: number) => Promise<boolean>;
  /** Writes down that it wanted what it may not. */
  readonly linkRefused: (fault: Fault) => void;
}

/** Ours to choose: upstream's clients need one or two. */
const TUNNELS_MAX_COUNT = 256;

/** Upstream's clients wait for 10 s. */
const STARTED_TIMEOUT_MS = 9_000;

/** How long a stream goes on whose tunnel the operator has closed. */
const FAREWELL_MS = 10_000;

/** Who asks and does not read: all that its tunnels may have, and more. */
const BUFFERED_MAX_BYTES = 16 * 1024 * 1024;

/** How often it may ask for something: upstream's clients ask once. */
const ASKS_BURST_COUNT = 128;
const ASKS_PER_MS = 16 / 1_000;

type Asked<Type extends V1Message["type"]> = Extract<V1Message, { type: Type }>;

type AskType = "list_agents" | "start_tcp_tunnel" | "execute_command";

/** One link of an operator that speaks protocol 1. */
export class V1OperatorSession implements V1Owner, V1CommandsOwner {
  readonly #link: Link;
  readonly #v1: V1Link;
  readonly operator: Admitted;
  readonly #ports: V1OperatorPorts;
  readonly #stop: AbortSignal;
  readonly #left = new AbortController();
  readonly #commands: V1Commands;
  readonly #gone = Promise.withResolvers<Fault>();
  readonly #asks: AskLimiter;
  #isListing = false;
  #hasIgnored = false;

  /** @param stop Aborts, with a fault, when the gateway stops. */
  constructor(
    link: Link,
    operator: Admitted,
    ports: V1OperatorPorts,
    stop: AbortSignal,
  ) {
    this.#link = link;
    this.operator = operator;
    this.#ports = ports;
    this.#stop = stop;
    this.#asks = new AskLimiter(ASKS_BURST_COUNT, ASKS_PER_MS, ports.clock);
    this.#v1 = new V1Link(link, V1_DIALECTS.gatewayToOperator, this, {
      ...ports,
      heartbeat: v1Heartbeat(ports.heartbeat),
    });
    this.#commands = new V1Commands(this, ports, this.#left.signal, stop);
    this.#v1.begin();
  }

  get bufferedBytes(): number {
    return this.#v1.bufferedBytes;
  }

  /** Serves the link until it ends. Returns why it ended. Never rejects. */
  async serve(): Promise<Fault> {
    const stop = () => this.end(Fault.from(this.#stop.reason));
    this.#stop.addEventListener("abort", stop, { once: true });
    if (this.#stop.aborted) stop();
    const fault = await this.#gone.promise;
    this.#stop.removeEventListener("abort", stop);
    return fault;
  }

  end(fault: Fault): void {
    this.#v1.closeTunnels(fault);
    closeWithFault(this.#link, fault);
  }

  // From the link.

  message(message: string | Uint8Array): void {
    this.#v1.message(message);
  }

  v1Message(message: Exclude<V1Message, V1TunnelData>): void {
    switch (message.type) {
      case "connect_client":
        return this.answer({
          type: "connection_ok",
          message: "Client connected",
        });
      case "list_agents":
      case "start_tcp_tunnel":
      case "execute_command":
        return this.#asks.ask() ? this.#ask(message) : this.#tooMany(message);
      case "register_agent":
      case "exec_output":
      case "exec_complete":
      case "exec_error":
        return this.#refuse(message.type);
      default:
        return; // The end of a tunnel that has ended here, or nothing of ours.
    }
  }

  v1Ignored(why: string): void {
    this.#ports.metrics.v1Ignored("operator");
    if (this.#hasIgnored) return;
    // The first one only: the rest is counted.
    this.#hasIgnored = true;
    const who = this.operator.principal.name;
    this.#ports.log.warn("message.ignored", { who, why });
  }

  v1Drained(): void {
    this.#commands.drained();
  }

  v1Closed(fault: Fault): void {
    this.#left.abort(fault);
    this.#gone.resolve(fault);
  }

  #ask(message: Asked<AskType>): void {
    switch (message.type) {
      case "list_agents":
        return void this.#list();
      case "start_tcp_tunnel":
        return this.#start(message);
      case "execute_command":
        return void this.#commands.execute(message);
      default:
        return message satisfies never;
    }
  }

  #tooMany(message: Asked<AskType>): void {
    this.#ports.metrics.tunnelRefused("quotaExceeded");
    const error = "This link asks too often";
    if (message.type !== "execute_command") return this.#error(error);
    const { exec_id: execId } = message;
    this.answer({ type: "exec_error", "exec_id": execId, error });
  }

  async #list(): Promise<void> {
    if (this.#isListing) return;
    this.#isListing = true;
    try {
      const agents = await this.#ports.listAgents();
      this.answer({ type: "agent_list", agents, total: agents.length });
    } catch (error) {
      this.#ports.log.error("page.failed", {}, error);
      this.#error("Cannot list agents: look at the gateway's log");
    } finally {
      this.#isListing = false;
    }
  }

  #start(message: Asked<"start_tcp_tunnel">): void {
    const { id: deviceId, service, tunnel_id: tunnelId } = message;
    if (this.#v1.has(tunnelId)) {
      return this.#error("There is a tunnel with this id");
    }
    if (this.#v1.tunnelCount >= TUNNELS_MAX_COUNT) {
      return this.#error(`Over ${TUNNELS_MAX_COUNT} tunnels of one link`);
    }
    if (deviceId === undefined) return this.#error(v1NotFound("None"));
    const tunnel = this.#v1.openTunnel(tunnelId);
    tunnel.conceal();
    if (service === EXEC_SERVICE) void this.#pretend(tunnel, deviceId);
    else void this.#run(tunnel, deviceId, service);
  }

  /** The web console asks for this before each command: to no purpose. */
  async #pretend(tunnel: V1Tunnel, deviceId: number): Promise<void> {
    try {
      if (!await this.#ports.isOnline(deviceId)) {
        throw new Fault("deviceOffline", v1NotFound(deviceId));
      }
    } catch (error) {
      tunnel.reset();
      return this.#error(Fault.from(error).message);
    }
    this.#started(tunnel, deviceId, EXEC_SERVICE);
    const nothing = () => undefined;
    tunnel.handle({
      data: nothing,
      end: nothing,
      drain: nothing,
      closed: nothing,
    });
  }

  async #run(
    tunnel: V1Tunnel,
    deviceId: number,
    service: string,
  ): Promise<void> {
    const { clock, dialSelf } = this.#ports;
    const operator = this.operator;
    const stop = new AbortController();
    const done = new AbortController();
    const giveUp = () => stop.abort(tunnel.over.reason);
    tunnel.over.addEventListener("abort", giveUp, { once: true });
    clock.sleep(STARTED_TIMEOUT_MS, done.signal).then(
      () => stop.abort(timedOut(deviceId)),
      () => undefined, // It has begun, or never will.
    );
    const query = new URLSearchParams({ device: String(deviceId), service });
    const result = await runV1Stream(
      {
        socket: tunnel,
        link: dialSelf({ path: CONNECT_PATH, query }, operator),
        caller: operator,
        over: tunnel.over,
        farewellMs: FAREWELL_MS,
        joined: () => {
          done.abort();
          tunnel.over.removeEventListener("abort", giveUp);
          this.#started(tunnel, deviceId, service);
        },
      },
      this.#ports,
      AbortSignal.any([this.#stop, stop.signal]),
    );
    if (done.signal.aborted || tunnel.isClosedByPeer) return done.abort();
    done.abort();
    this.#error(v1ErrorText(Fault.from(result.fault), deviceId));
  }

  #started(tunnel: V1Tunnel, id: number, service: string): void {
    tunnel.announce();
    const type = "tunnel_started";
    this.answer({ type, "tunnel_id": tunnel.id, id, service });
  }

  #refuse(type: string): void {
    const fault = new Fault(
      "roleRefused",
      `Cannot take "${type}" from an operator`,
      { hint: "Use a certificate with OU=COMPUTERS" },
    );
    this.#ports.linkRefused(fault);
    this.#error(fault.message);
    this.end(fault);
  }

  #error(message: string): void {
    this.answer({ type: "error", message });
  }

  say(message: object): void {
    this.#v1.say(message);
  }

  answer(message: object): void {
    if (this.#v1.bufferedBytes <= BUFFERED_MAX_BYTES) {
      return this.#v1.say(message);
    }
    this.end(
      new Fault("quotaExceeded", "Cannot answer who asks and does not read"),
    );
    this.#link.terminate();
  }
}

function timedOut(deviceId: number): Fault {
  const seconds = STARTED_TIMEOUT_MS / 1_000;
  return new Fault(
    "openTimedOut",
    `Device ${deviceId} did not answer in ${seconds} s`,
  );
}
