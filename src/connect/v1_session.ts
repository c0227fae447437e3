import { withDeadline } from "../base/deadline.ts";
import { Fault } from "../protocol/fault.ts";
import { parseGatewayUrl } from "../protocol/gateway_url.ts";
import { randomHex } from "../protocol/id.ts";
import { CLOSE_TIMEOUT_MS } from "../protocol/limits.ts";
import type { V1Message, V1TunnelData } from "../protocol/v1_message.ts";
import { V1_DIALECTS } from "../transport/v1_dialect.ts";
import { V1Link, type V1Owner } from "../transport/v1_link.ts";
import type { OperatorPorts } from "./ports.ts";
import { findManagerAgent } from "./site.ts";

/** How long the relay may take to answer a request. */
const ANSWER_TIMEOUT_MS = 10_000;

/** RFC 6455 §7.4.1. */
const NORMAL_CLOSE = 1000;

/** A site may have ten relays, and the proxy may choose any of them. */
const ATTEMPTS_MAX_COUNT = 12;
const ATTEMPT_EVERY_MS = 250;

/** How migasfree's relay says that the device is at another one, or nowhere. */
const NOT_HERE_REGEXP = /not found on this server/i;

/** As migasfree's own relay and clients have it. */
const HEARTBEAT = { "interval_ms": 20_000, "timeout_ms": 60_000 };

/** What is no tunnel's. */
export type V1Heard = Exclude<V1Message, V1TunnelData>;

/** One link of an operator to a relay that speaks protocol 1. */
export class V1Session implements V1Owner {
  readonly link: V1Link;
  readonly deviceId: number;
  readonly #ports: OperatorPorts;
  readonly #gone = Promise.withResolvers<Fault>();
  #heard: (message: V1Heard) => void = () => undefined;
  #picked: (message: V1Heard) => void = () => undefined;
  /** Set while an answer is waited for. */
  #failed: (fault: Fault) => void = () => undefined;
  #ended: Fault | undefined;

  private constructor(
    link: ConstructorParameters<typeof V1Link>[0],
    deviceId: number,
    ports: OperatorPorts,
  ) {
    this.deviceId = deviceId;
    this.#ports = ports;
    this.link = new V1Link(link, V1_DIALECTS.operatorToGateway, this, {
      ...ports,
      heartbeat: HEARTBEAT,
    });
    this.link.begin();
  }

  /** Resolves, with the reason, when the link has ended. */
  get gone(): Promise<Fault> {
    return this.#gone.promise;
  }

  /**
   * Dials the relay of the device and runs `ask` on the link; dials again, a
   * bounded number of times, while the relay says that the device is at
   * another one. The session is for the caller to {@linkcode leave}.
   *
   * @throws {Fault} `deviceOffline`, or what `ask` throws.
   */
  static async begin<T>(
    deviceId: number,
    mode: "tcp_tunnel" | "exec",
    ports: OperatorPorts,
    ask: (session: V1Session, signal: AbortSignal) => Promise<T>,
    signal: AbortSignal,
  ): Promise<{ session: V1Session; answer: T }> {
    const relay = await relayOf(deviceId, ports, signal);
    for (let attempt = 1;; attempt++) {
      const headers = { "X-Agent-ID": String(deviceId) };
      const link = await ports.dial(relay, undefined, headers, signal);
      const session = new V1Session(link, deviceId, ports);
      try {
        session.link.say({ type: "connect_client", mode });
        return { session, answer: await ask(session, signal) };
      } catch (error) {
        await session.leave();
        const isElsewhere = error instanceof Fault &&
          error.code === "deviceOffline" && attempt < ATTEMPTS_MAX_COUNT;
        if (!isElsewhere) throw error;
      }
      await ports.clock.sleep(ATTEMPT_EVERY_MS * ports.random(), signal);
    }
  }

  /**
   * Waits for the first message that `pick` knows.
   *
   * @param pick Returns the answer, or what it means as a fault.
   * @throws {Fault} `deviceOffline` or `gatewayRefused` if the relay says
   * `error`; `openTimedOut`; what `pick` returned; or how the link ended.
   */
  async answer<T>(
    pick: (message: V1Heard) => T | Fault | undefined,
    signal: AbortSignal,
  ): Promise<T> {
    if (this.#ended) throw this.#ended;
    const { promise, resolve, reject } = Promise.withResolvers<T>();
    this.#failed = reject;
    this.#picked = (message) => {
      const answer = message.type === "error"
        ? refusal(message.message)
        : pick(message);
      if (answer instanceof Fault) return reject(answer);
      if (answer !== undefined) resolve(answer);
    };
    try {
      return await withDeadline(
        () => promise,
        ANSWER_TIMEOUT_MS,
        () => new Fault("openTimedOut", "The relay did not answer in 10 s"),
        this.#ports.clock,
        signal,
      );
    } finally {
      this.#failed = () => undefined;
      this.#picked = () => undefined;
    }
  }

  /** Hears all that comes from now on and is no tunnel's. */
  listen(heard: (message: V1Heard) => void): void {
    this.#heard = heard;
  }

  /** Says goodbye, and waits a little until it has been said. */
  async leave(): Promise<void> {
    this.link.close(NORMAL_CLOSE, "");
    const done = new AbortController();
    const late = this.#ports.clock.sleep(CLOSE_TIMEOUT_MS, done.signal)
      .catch(() => undefined); // It has gone in time.
    await Promise.race([this.gone, late]);
    done.abort();
  }

  v1Message(message: V1Heard): void {
    this.#heard(message);
    this.#picked(message);
  }

  v1Ignored(): void {
    // A relay that is newer than we know: what we need will come, or time out.
  }

  v1Closed(fault: Fault): void {
    this.#ended = fault;
    this.#failed(fault);
    this.#gone.resolve(fault);
  }
}

/** Returns an id for a tunnel or a command of ours. */
export function v1Id(kind: "cli" | "exec"): string {
  return `${kind}-${randomHex()}`;
}

/** Whether a relay says that the device is at another one, or nowhere. */
export function isNotHere(text: string): boolean {
  return NOT_HERE_REGEXP.test(text);
}

/** Returns what a relay means that says no by a text. */
export function refusal(message: string): Fault {
  return isNotHere(message)
    ? new Fault("deviceOffline", `The relay says: ${message}`, {
      hint: "Check that the computer is on and its agent runs",
    })
    : new Fault("gatewayRefused", `The relay says: ${message}`, {
      hint: "Look at the relay's and the agent's log",
    });
}

/** @throws {Fault} `deviceOffline` if the manager lists no such agent. */
async function relayOf(
  deviceId: number,
  ports: OperatorPorts,
  signal: AbortSignal,
): Promise<string> {
  const known = ports.site.relays.get(deviceId) ??
    (await findManagerAgent(deviceId, ports, signal))?.relay;
  if (known === undefined) {
    throw new Fault(
      "deviceOffline",
      `The manager lists no agent of device ${deviceId}`,
      { hint: "Check that the computer is on and its agent runs" },
    );
  }
  const own = new URL(ports.gatewayUrl);
  // A plain relay is believed only where the site itself was asked for plainly.
  const relay = parseGatewayUrl(known, own.protocol === "ws:");
  if (relay === undefined) {
    throw new Fault(
      "gatewayUntrusted",
      "Cannot use the relay that the manager names: it is no wss:// address",
      { hint: "Check PORT_HTTPS and FQDN of the site" },
    );
  }
  const url = new URL(relay);
  // migasfree leaves the port out although the site may have another one.
  if (url.hostname === own.hostname) url.port = own.port;
  return url.href;
}
