import type { Clock } from "../base/clock.ts";
import { withDeadline } from "../base/deadline.ts";
import { plainText } from "../base/text.ts";
import {
  type FromAgent,
  type HeartbeatValues,
  type Hello,
  type Open,
  parseFromAgent,
  type Service,
  type Welcome,
} from "../protocol/control.ts";
import { Fault, type FaultCode } from "../protocol/fault.ts";
import {
  FAULT_MESSAGE_MAX_CHARS,
  HELLO_TIMEOUT_MS,
} from "../protocol/limits.ts";
import { PROTOCOL_VERSION } from "../protocol/version.ts";
import type { Heartbeats, Watch, Watched } from "../transport/heartbeats.ts";
import type { Link, LinkEnd, LinkHandlers } from "../transport/link.ts";
import { closeWithFault, faultOfEnd } from "../transport/link_end.ts";
import { MessageReader } from "../transport/message_reader.ts";
import type { DeviceSession, SessionOwner } from "./device_session.ts";
import type { ServiceLists } from "./service_lists.ts";

export interface AgentSessionPorts {
  readonly clock: Clock;
  readonly heartbeats: Heartbeats;
  readonly heartbeat: HeartbeatValues;
  readonly serviceLists: ServiceLists;
}

/** What became of a tunnel that the agent was asked for. */
interface Asked {
  readonly opened: () => void;
  readonly refused: (fault: Fault) => void;
}

/** Who an agent is, as the door has found. */
interface AgentFacts {
  readonly subject: string;
  readonly address: string;
}

/** One control link of one device, from hello to its end. */
export class AgentSession implements DeviceSession, LinkHandlers, Watched {
  readonly deviceId: number;
  readonly name: string;
  readonly subject: string;
  readonly address: string;
  readonly instance: string | undefined;
  services: readonly Service[];
  readonly protocol = 2;
  readonly #link: Link;
  readonly #ports: AgentSessionPorts;
  /** What was said between hello and {@linkcode AgentSession.serve}. */
  #reader: MessageReader | undefined;
  #owner: SessionOwner | undefined;
  #watch: Watch | undefined;
  /** By tunnel; undefined: none was ever asked for. */
  #asked: Map<string, Asked> | undefined;
  #ended: Fault | undefined;

  private constructor(
    hello: Hello,
    agent: AgentFacts,
    link: Link,
    reader: MessageReader,
    ports: AgentSessionPorts,
  ) {
    this.deviceId = hello.device.id;
    this.name = hello.device.name;
    this.subject = agent.subject;
    this.address = agent.address;
    this.services = ports.serviceLists.share(hello.services);
    this.instance = hello.instance;
    this.#link = link;
    this.#reader = reader;
    this.#ports = ports;
  }

  /**
   * Reads the hello of `agent`, and welcomes it.
   *
   * @param welcome Makes the answer to a hello, or throws why there is none.
   * @throws {Fault} If it says nothing, or what may not be said. The link is
   * left for the caller to close.
   */
  static async welcome(
    link: Link,
    agent: AgentFacts,
    welcome: (hello: Hello) => Promise<Welcome>,
    ports: AgentSessionPorts,
    signal: AbortSignal,
  ): Promise<AgentSession> {
    // Nobody watches over the link before its session is served.
    const reader = new MessageReader(link, () => {});
    const hello = await readHello(reader, ports.clock, signal);
    const answer = await welcome(hello);
    signal.throwIfAborted();
    link.send(JSON.stringify(answer));
    return new AgentSession(hello, agent, link, reader, ports);
  }

  offers(service: string): boolean {
    return this.services.some(({ name }) => name === service);
  }

  serve(owner: SessionOwner): void {
    const { heartbeat, heartbeats } = this.#ports;
    const reader = this.#reader;
    this.#owner = owner;
    this.#watch = heartbeats.watch(this, heartbeat);
    this.#reader = undefined;
    reader?.handOver(this);
  }

  end(fault: Fault): void {
    if (this.#ended) return;
    this.#ended = fault;
    closeWithFault(this.#link, fault);
  }

  askToLeave(withinMs: number): void {
    this.#send({ type: "drain", reconnect_within_ms: withinMs });
  }

  async open(request: Omit<Open, "type">, signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    if (this.#ended) {
      throw new Fault("deviceOffline", "The device's link has ended");
    }
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const stop = () => {
      this.#send({ type: "cancel", tunnel: request.tunnel });
      reject(signal.reason);
    };
    signal.addEventListener("abort", stop, { once: true });
    const asked = this.#asked ??= new Map<string, Asked>();
    asked.set(request.tunnel, { opened: resolve, refused: reject });
    this.#send({ type: "open", ...request });
    try {
      await promise;
    } finally {
      asked.delete(request.tunnel);
      signal.removeEventListener("abort", stop);
    }
  }

  // From the link.

  message(message: string | Uint8Array): void {
    if (this.#ended) return;
    this.#watch?.heard();
    try {
      this.#take(parseFromAgent(message));
    } catch (error) {
      this.end(Fault.from(error));
    }
  }

  drain(): void {
    // Control messages are few and short: nothing waits for this.
  }

  closed(end: LinkEnd): void {
    const fault = this.#ended ??= faultOfEnd(end);
    this.#watch?.stop();
    const offline = new Fault("deviceOffline", "The device's link has ended");
    for (const { refused } of this.#asked?.values() ?? []) refused(offline);
    this.#owner?.sessionOver(fault);
  }

  // From the heartbeats.

  beat(echo: boolean): void {
    this.#send(echo ? { type: "heartbeat", echo } : { type: "heartbeat" });
  }

  paused(): boolean {
    return false;
  }

  silent(silentMs: number): void {
    const seconds = Math.round(silentMs / 1000);
    this.end(new Fault("linkSilent", `The agent was silent for ${seconds} s`));
    this.#link.terminate();
  }

  #take(message: FromAgent): void {
    switch (message.type) {
      case "hello":
        throw new Fault("messageUnexpected", "Cannot take a second hello");
      case "services":
        this.services = this.#ports.serviceLists.share(message.services);
        return this.#owner?.servicesChanged();
      case "opened":
        return this.#asked?.get(message.tunnel)?.opened();
      case "refused":
        return this.#asked?.get(message.tunnel)?.refused(
          new Fault(
            message.code as FaultCode,
            plainText(message.message, FAULT_MESSAGE_MAX_CHARS),
          ),
        );
      case "heartbeat":
        if (message.detaches) this.#owner?.agentDetached(message.detaches);
        // Whoever asks and does not read has enough to hear.
        if (message.echo && this.#link.bufferedBytes === 0) {
          this.#send({ type: "heartbeat" });
        }
        return;
      default:
        return message satisfies never;
    }
  }

  #send(message: Readonly<Record<string, unknown>>): void {
    this.#link.send(JSON.stringify(message));
  }
}

async function readHello(
  reader: MessageReader,
  clock: Clock,
  signal: AbortSignal,
): Promise<Hello> {
  const text = await withDeadline(
    (signal) => reader.next(signal),
    HELLO_TIMEOUT_MS,
    () => new Fault("linkSilent", "Cannot welcome agent: it said no hello"),
    clock,
    signal,
  );
  const message = parseFromAgent(text);
  if (message.type !== "hello") {
    throw new Fault("messageUnexpected", "Cannot begin without a hello");
  }
  if (!message.versions.includes(PROTOCOL_VERSION)) {
    throw new Fault(
      "versionUnsupported",
      `Cannot welcome agent: no common version, ours is ${PROTOCOL_VERSION}`,
      { hint: "Upgrade the older side" },
    );
  }
  return message;
}
