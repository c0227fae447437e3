import type { Clock } from "../base/clock.ts";
import { withDeadline } from "../base/deadline.ts";
import { plainText } from "../base/text.ts";
import {
  type DetachNews,
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
import type { Heartbeats, Watch } from "../transport/heartbeats.ts";
import type { Link } from "../transport/link.ts";
import { closeWithFault } from "../transport/link_end.ts";
import { MessageReader } from "../transport/message_reader.ts";
import type { DeviceSession } from "./device_session.ts";

export interface AgentSessionPorts {
  readonly clock: Clock;
  readonly heartbeats: Heartbeats;
  readonly heartbeat: HeartbeatValues;
  /** Makes the welcome to a hello. @throws {Fault} If it may not come in. */
  readonly welcome: (hello: Hello) => Promise<Welcome>;
  /** The services of the device, or their states, have changed. */
  readonly servicesChanged: (session: AgentSession) => void;
  /** What has become of its tunnels without a link, as it says. */
  readonly detached: (news: DetachNews) => void;
}

/** What became of a tunnel that the agent was asked for. */
interface Asked {
  readonly opened: () => void;
  readonly refused: (fault: Fault) => void;
}

/** One control link of one device, from hello to its end. */
export class AgentSession implements DeviceSession {
  readonly deviceId: number;
  readonly name: string;
  /** Canonical subject of the agent's certificate. */
  readonly subject: string;
  /** Which start of the agent it is; undefined: it does not say. */
  readonly instance: string | undefined;
  services: readonly Service[];
  readonly protocol = 2;
  readonly #link: Link;
  readonly #reader: MessageReader;
  readonly #ports: AgentSessionPorts;
  readonly #asked = new Map<string, Asked>();
  #watch: Watch | undefined;
  #ended: Fault | undefined;

  private constructor(
    hello: Hello,
    subject: string,
    link: Link,
    reader: MessageReader,
    ports: AgentSessionPorts,
  ) {
    this.deviceId = hello.device.id;
    this.name = hello.device.name;
    this.subject = subject;
    this.services = hello.services;
    this.instance = hello.instance;
    this.#link = link;
    this.#reader = reader;
    this.#ports = ports;
  }

  /**
   * Reads the hello of an agent that shows `subject`, and welcomes it.
   *
   * @throws {Fault} If it says nothing, or what may not be said. The link is
   * left for the caller to close.
   */
  static async welcome(
    link: Link,
    subject: string,
    ports: AgentSessionPorts,
    signal: AbortSignal,
  ): Promise<AgentSession> {
    let heard: () => void = () => {};
    const reader = new MessageReader(link, () => heard());
    const hello = await readHello(reader, ports.clock, signal);
    const welcome = await ports.welcome(hello);
    signal.throwIfAborted();
    link.send(JSON.stringify(welcome));
    const session = new AgentSession(hello, subject, link, reader, ports);
    heard = session.#beginHeartbeats();
    return session;
  }

  offers(service: string): boolean {
    return this.services.some(({ name }) => name === service);
  }

  /** Serves the link until it ends. Returns why it ended. Never rejects. */
  async serve(signal: AbortSignal): Promise<Fault> {
    try {
      await this.#reader.each(
        (message) => this.#take(parseFromAgent(message)),
        signal,
      );
    } catch (error) {
      this.end(Fault.from(error));
    }
    this.#watch?.stop();
    const fault = this.#ended ?? Fault.from(undefined);
    const offline = new Fault("deviceOffline", "The device's link has ended");
    for (const asked of this.#asked.values()) asked.refused(offline);
    this.#asked.clear();
    return fault;
  }

  /** Closes the link with `fault`; the first to say why is remembered. */
  end(fault: Fault): void {
    if (this.#ended) return;
    this.#ended = fault;
    closeWithFault(this.#link, fault);
  }

  /** Asks the agent to leave, and to come back within `withinMs`. */
  drain(withinMs: number): void {
    this.#send({ type: "drain", reconnect_within_ms: withinMs });
  }

  /**
   * Asks the agent for a tunnel and waits until its service has answered.
   *
   * @throws {Fault} What the agent says why not, or `deviceOffline`.
   * @throws `signal.reason` once aborted; the agent is then told.
   */
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
    this.#asked.set(request.tunnel, { opened: resolve, refused: reject });
    this.#send({ type: "open", ...request });
    try {
      await promise;
    } finally {
      this.#asked.delete(request.tunnel);
      signal.removeEventListener("abort", stop);
    }
  }

  #beginHeartbeats(): () => void {
    const watch = this.#ports.heartbeats.watch({
      beat: (echo) =>
        this.#send(echo ? { type: "heartbeat", echo } : { type: "heartbeat" }),
      paused: () => false,
      silent: (silentMs) => {
        const seconds = Math.round(silentMs / 1000);
        this.end(
          new Fault("linkSilent", `The agent was silent for ${seconds} s`),
        );
        this.#link.terminate();
      },
    }, this.#ports.heartbeat);
    this.#watch = watch;
    return () => watch.heard();
  }

  #take(message: FromAgent): void {
    switch (message.type) {
      case "hello":
        throw new Fault("messageUnexpected", "Cannot take a second hello");
      case "services":
        this.services = message.services;
        return this.#ports.servicesChanged(this);
      case "opened":
        return this.#asked.get(message.tunnel)?.opened();
      case "refused":
        return this.#asked.get(message.tunnel)?.refused(
          new Fault(
            message.code as FaultCode,
            plainText(message.message, FAULT_MESSAGE_MAX_CHARS),
          ),
        );
      case "heartbeat":
        if (message.detaches) this.#ports.detached(message.detaches);
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
