import type { Open, Service } from "../protocol/control.ts";
import { EXEC_SERVICE } from "../protocol/exec_message.ts";
import { Fault } from "../protocol/fault.ts";
import { randomHex, serviceNameSchema } from "../protocol/id.ts";
import { SERVICES_MAX_COUNT } from "../protocol/limits.ts";
import type { V1Message, V1TunnelData } from "../protocol/v1_message.ts";
import { STREAM_PATH } from "../protocol/version.ts";
import type { ByteSocket } from "../transport/byte_socket.ts";
import { type ExecHearer, serveExec } from "../transport/exec_server.ts";
import type { Link } from "../transport/link.ts";
import { closeWithFault } from "../transport/link_end.ts";
import { V1_DIALECTS } from "../transport/v1_dialect.ts";
import { V1Link, type V1Owner } from "../transport/v1_link.ts";
import type { Admitted } from "./admit.ts";
import type { DeviceSession, SessionOwner } from "./device_session.ts";
import { v1DeviceName } from "./v1_device_name.ts";
import { V1ExecCommand } from "./v1_exec_command.ts";
import { v1Heartbeat } from "./v1_heartbeat.ts";
import { awaitV1Service } from "./v1_service_answer.ts";
import { runV1Stream, type V1StreamPorts } from "./v1_stream.ts";

/** What an agent says first, and again once a minute. */
export type V1Register = Extract<V1Message, { type: "register_agent" }>;

type OpenRequest = Omit<Open, "type">;

export interface V1AgentPorts extends V1StreamPorts {
  /** Writes down that it wanted what it may not. */
  readonly linkRefused: (fault: Fault) => void;
}

/** What every agent of migasfree 5 tries to reach if it is asked. */
const KNOWN_SERVICES: readonly string[] = ["ssh", "vnc", "rdp", EXEC_SERVICE];

/** Kept of the time for an answer, to say that there was none. */
const MARGIN_MS = 500;

/** How long a stream goes on whose tunnel the agent has closed. */
const FAREWELL_MS = 60_000;

/** Registers again at most so often, to be looked at. */
const REGISTER_EVERY_MS = 1_000;

/** One link of an agent that speaks protocol 1. */
export class V1AgentSession implements DeviceSession, V1Owner {
  readonly protocol = 1;
  readonly deviceId: number;
  readonly name: string;
  readonly subject: string;
  readonly address: string;
  /** Its tunnels end with its link, and do not come back. */
  readonly instance = randomHex();
  services: readonly Service[];
  readonly #link: Link;
  readonly #v1: V1Link;
  readonly #agent: Admitted;
  readonly #ports: V1AgentPorts;
  readonly #stop: AbortSignal;
  readonly #commands = new Map<string, V1ExecCommand>();
  #registeredAtMs: number;
  #hasIgnored = false;
  #owner: SessionOwner | undefined;
  /** The link itself has ended. */
  #isClosed = false;
  #ended: Fault | undefined;

  /** @param stop Aborts, with a fault, when the gateway stops. */
  constructor(
    link: Link,
    register: V1Register,
    agent: Admitted,
    ports: V1AgentPorts,
    stop: AbortSignal,
  ) {
    this.deviceId = register.id;
    this.name = v1DeviceName(register.id, register.name);
    this.subject = agent.principal.subject;
    this.address = agent.address;
    this.services = servicesOf(register);
    this.#link = link;
    this.#agent = agent;
    this.#ports = ports;
    this.#stop = stop;
    this.#registeredAtMs = ports.clock.now();
    this.#v1 = new V1Link(link, V1_DIALECTS.gatewayToAgent, this, {
      ...ports,
      heartbeat: v1Heartbeat(ports.heartbeat),
    });
    this.#v1.begin();
  }

  /** Tells the agent that it is registered. */
  welcome(): void {
    const message = "Agent registered successfully";
    // Upstream's agent reads neither; ours asks for protocol 2 once it knows.
    this.#v1.say({ type: "registration_ok", message, protocols: [1, 2] });
  }

  serve(owner: SessionOwner): void {
    this.#owner = owner;
    if (this.#isClosed) this.#over();
  }

  offers(service: string): boolean {
    // It looked at its ports a minute ago, or when it came: they may be open now.
    return KNOWN_SERVICES.includes(service) || this.#isAdvertised(service);
  }

  end(fault: Fault): void {
    if (this.#ended) return;
    this.#ended = fault;
    this.#v1.closeTunnels(new Fault("peerGone", fault.message));
    closeWithFault(this.#link, fault);
  }

  askToLeave(): void {
    // Protocol 1 has no word for it: the agent comes back when its link ends.
  }

  async open(request: OpenRequest, signal: AbortSignal): Promise<void> {
    if (this.#ended) {
      throw new Fault("deviceOffline", "The device's link has ended");
    }
    if (request.service === EXEC_SERVICE) {
      const never = new AbortController().signal;
      return this.#run(this.#execSocket(request), never, request);
    }
    const tunnel = await this.#openTunnel(request, signal);
    this.#run(tunnel, tunnel.over, request);
  }

  // From the link.

  v1Message(message: Exclude<V1Message, V1TunnelData>): void {
    switch (message.type) {
      case "register_agent":
        return this.#registerAgain(message);
      case "exec_output":
        return this.#commands.get(message.exec_id)
          ?.output(message.stream, message.data);
      case "exec_complete":
        return this.#commands.get(message.exec_id)
          ?.complete(message.exit_code);
      case "exec_error":
        return this.#commands.get(message.exec_id)?.error(message.error);
      case "connect_client":
      case "list_agents":
      case "start_tcp_tunnel":
      case "execute_command":
        return this.#refuse(message.type);
      default:
        return; // The end of a tunnel that has ended here, or nothing of ours.
    }
  }

  v1Ignored(why: string): void {
    this.#ports.metrics.v1Ignored("agent");
    if (this.#hasIgnored) return;
    // The first one only: the rest is counted.
    this.#hasIgnored = true;
    const who = `CID-${this.deviceId}`;
    this.#ports.log.warn("message.ignored", { who, why });
  }

  v1Closed(fault: Fault): void {
    this.#ended ??= fault;
    this.#isClosed = true;
    this.#over();
  }

  #over(): void {
    this.#owner?.sessionOver(Fault.from(this.#ended));
  }

  #registerAgain(message: V1Register): void {
    const nowMs = this.#ports.clock.now();
    if (nowMs - this.#registeredAtMs < REGISTER_EVERY_MS) return;
    this.#registeredAtMs = nowMs;
    if (message.id !== this.deviceId) return this.#refuse("another id");
    const services = servicesOf(message);
    const isNew = namesOf(services) !== namesOf(this.services);
    this.services = services;
    if (isNew) this.#owner?.servicesChanged();
    // Who does not read has enough to hear.
    if (this.#link.bufferedBytes === 0) this.welcome();
  }

  #refuse(wanted: string): void {
    const fault = new Fault(
      "roleRefused",
      `Cannot take "${wanted}" from the agent of device ${this.deviceId}`,
      { hint: "Use a certificate with OU=ADMINS" },
    );
    this.#ports.linkRefused(fault);
    this.#v1.say({ type: "error", message: fault.message });
    this.end(fault);
  }

  async #openTunnel(request: OpenRequest, signal: AbortSignal) {
    const { operator, service, tunnel: id } = request;
    const tunnel = this.#v1.openTunnel(id);
    this.#v1.say({
      type: "start_tcp_tunnel",
      "tunnel_id": id,
      service,
      "client_cn": operator,
    });
    const question = {
      service,
      isAdvertised: this.#isAdvertised(service),
      deadlineMs: Math.max(0, request.deadline_ms - MARGIN_MS),
    };
    try {
      await awaitV1Service(tunnel, question, this.#ports.clock, signal);
    } catch (error) {
      tunnel.reset();
      throw error;
    }
    return tunnel;
  }

  #execSocket({ operator, tunnel: id }: OpenRequest): ByteSocket {
    const { clock } = this.#ports;
    return serveExec((start, hearer: ExecHearer) => {
      const command = new V1ExecCommand(id, start, operator, hearer, {
        clock,
        link: this.#v1,
        over: () => this.#commands.delete(id),
      });
      this.#commands.set(id, command);
      return command;
    }, clock);
  }

  #run(
    socket: ByteSocket,
    over: AbortSignal,
    { ticket }: OpenRequest,
  ): void {
    const caller = this.#agent;
    const path = STREAM_PATH;
    const link = this.#ports.dialSelf({ path, bearer: ticket }, caller);
    void runV1Stream(
      {
        socket,
        link,
        caller,
        over,
        joined: () => undefined,
        farewellMs: FAREWELL_MS,
      },
      this.#ports,
      this.#stop,
    );
  }

  #isAdvertised(service: string): boolean {
    return this.services.some(({ name }) => name === service);
  }
}

function servicesOf({ services }: V1Register): Service[] {
  const names = new Set(
    services.filter((name) =>
      serviceNameSchema.safeParse(name).success && name !== EXEC_SERVICE
    ).slice(0, SERVICES_MAX_COUNT - 1),
  );
  // It never says so, but every agent runs commands.
  return [
    ...[...names].map((name): Service => ({ name, state: "open" })),
    { name: EXEC_SERVICE, state: "unknown" },
  ];
}

function namesOf(services: readonly Service[]): string {
  return services.map(({ name }) => name).join();
}
