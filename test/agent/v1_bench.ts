import { Agent } from "../../src/agent/agent.ts";
// An agent loads it when it needs it, which takes longer than a turn.
import "../../src/agent/v1_control_link.ts";
import { CommandRunner } from "../../src/agent/command_runner.ts";
import type {
  AgentDial,
  AgentSettings,
  ServiceAddress,
} from "../../src/agent/ports.ts";
import { Fault } from "../../src/protocol/fault.ts";
import { WindowBudget } from "../../src/stream/window_budget.ts";
import type { ByteSocket } from "../../src/transport/byte_socket.ts";
import { Heartbeats } from "../../src/transport/heartbeats.ts";
import type { LinkEnd } from "../../src/transport/link.ts";
import { ListLog } from "../support/list_log.ts";
import { ManualClock, settle } from "../support/manual_clock.ts";
import { type MemoryLinks, memoryLinks } from "../support/memory_link.ts";
import { MemorySocket } from "../support/memory_socket.ts";
import { FakeCommands } from "./fake_command.ts";

export type Said = Readonly<Record<string, unknown>>;

/** One link that the agent has dialed, at the relay. */
export class RelayLink {
  readonly dial: AgentDial;
  readonly links: MemoryLinks;
  /** What the agent has said, in order. */
  readonly heard: Said[] = [];
  end: LinkEnd | undefined;
  aliveCount = 0;
  /** What it answers when it is asked for a tunnel to device 7. */
  knows: "yes" | "no" | "no answer" = "yes";

  constructor(dial: AgentDial) {
    this.dial = dial;
    this.links = memoryLinks({ capacityBytes: 1024 * 1024 });
    this.links.far.handle({
      message: (text) => this.#hear(JSON.parse(String(text))),
      drain: () => undefined,
      alive: () => void this.aliveCount++,
      closed: (end) => void (this.end = end),
    });
  }

  /** Says something to the agent, as it is if it is text. */
  async say(message: object | string): Promise<void> {
    const isText = typeof message === "string";
    this.links.far.send(isText ? message : JSON.stringify(message));
    await settle();
  }

  #hear(message: Said): void {
    this.heard.push(message);
    if (message["type"] !== "start_tcp_tunnel") return;
    const { service, tunnel_id: id } = message;
    const answers = {
      yes: [
        {
          type: "start_tcp_tunnel",
          "tunnel_id": id,
          service,
          "client_cn": null,
        },
        { type: "tunnel_started", "tunnel_id": id, id: 7, service },
      ],
      no: [{ type: "error", message: "Agent 7 not found on this server" }],
      "no answer": [],
    };
    for (const answer of answers[this.knows]) {
      this.links.far.send(JSON.stringify(answer));
    }
  }

  /** What was heard of one type. */
  of(type: string): Said[] {
    return this.heard.filter((message) => message["type"] === type);
  }

  /** Lets the agent in. */
  async welcome(more: object = {}): Promise<void> {
    await settle();
    await this.say({ type: "registration_ok", message: "hello", ...more });
  }
}

/** An agent that runs, and a relay of protocol 1 that the test plays. */
export class V1Bench implements AsyncDisposable {
  readonly clock = new ManualClock();
  readonly log = new ListLog();
  readonly commands = new FakeCommands();
  readonly agent: Agent;
  /** Every handshake, those that were refused among them. */
  readonly dials: AgentDial[] = [];
  /** Every link that came about. */
  readonly links: RelayLink[] = [];
  /** What the local services are, or why they are not there. */
  dialService: (address: ServiceAddress) => Promise<ByteSocket> = () => {
    const socket = new MemorySocket();
    this.sockets.push(socket);
    return Promise.resolve(socket);
  };
  /** Connections to local services, in order. */
  readonly sockets: MemorySocket[] = [];
  findGateway: () => Promise<string> = () =>
    Promise.resolve("wss://relay.test/tunnel");
  speaks2 = false;
  portStates: ("open" | "closed" | "unknown")[] = ["open", "closed"];
  readonly #stop = new AbortController();
  readonly #identity: (() => void)[] = [];
  readonly #run: Promise<unknown>;

  constructor(settings: Partial<AgentSettings> = {}) {
    const { clock, log } = this;
    const runner = new CommandRunner(
      { allow: [["migasfree", "sync"]], timeoutMs: 60_000, concurrentMax: 2 },
      { clock, log, startCommand: this.commands.startCommand },
    );
    this.agent = new Agent({
      deviceId: 7,
      name: "aula-7",
      services: new Map([
        ["ssh", { host: "127.0.0.1", port: 22 }],
        ["vnc", { host: "127.0.0.1", port: 5900 }],
      ]),
      commands: runner,
      protocol: "auto",
      tunnelsMax: 2,
      instance: "00",
      software: "2",
      ...settings,
    }, {
      clock,
      log,
      heartbeats: new Heartbeats(clock, "probe"),
      budget: new WindowBudget(1024 * 1024),
      random: () => 0,
      dial: (dial) => this.#dial(dial),
      findGateway: () => this.findGateway(),
      dialService: (address) => this.dialService(address),
      portStates: () => Promise.resolve(this.portStates),
      identityChanged: (signal) =>
        new Promise((resolve, reject) => {
          this.#identity.push(resolve);
          signal.addEventListener("abort", () => reject(signal.reason));
        }),
    });
    this.#run = this.agent.run(this.#stop.signal)
      .catch((error: unknown) => error);
  }

  /** The newest link. */
  get link(): RelayLink {
    const link = this.links.at(-1);
    if (!link) throw new Error("Nobody has dialed");
    return link;
  }

  /** The newest connection to a local service. */
  get socket(): MemorySocket {
    const socket = this.sockets.at(-1);
    if (!socket) throw new Error("No service was dialed");
    return socket;
  }

  /** Begins one that the relay has let in. */
  static async online(settings: Partial<AgentSettings> = {}): Promise<V1Bench> {
    const bench = new V1Bench(settings);
    await settle();
    await bench.link.welcome();
    return bench;
  }

  changeIdentity(): void {
    for (const changed of this.#identity.splice(0)) changed();
  }

  /** Tells the agent to stop; resolves when it has. */
  async stop(): Promise<unknown> {
    this.#stop.abort(new Fault("agentStopping", "The agent was stopped"));
    await this.clock.advance(10_000);
    return await this.#run;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }

  #dial(dial: AgentDial) {
    this.dials.push(dial);
    if (dial.subprotocol !== undefined && !this.speaks2) {
      return Promise.reject(new Fault("versionUnsupported", "No subprotocol"));
    }
    const link = new RelayLink(dial);
    this.links.push(link);
    return Promise.resolve(link.links.near);
  }
}

/** The bytes of `text` as protocol 1 carries them. */
export function hex(text: string): string {
  return new TextEncoder().encode(text).toHex();
}
