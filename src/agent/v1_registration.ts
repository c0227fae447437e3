import { randomHex } from "../protocol/id.ts";
import type { V1Message, V1TunnelData } from "../protocol/v1_message.ts";
import type { V1Link } from "../transport/v1_link.ts";
import type { AgentPorts, AgentSettings } from "./ports.ts";
import { lookAtServices } from "./services.ts";

/** How often the local ports are looked at: nobody is disturbed by it. */
const LOOK_EVERY_MS = 10_000;

/**
 * How often a change of the services is told in the long run, and how many
 * are told at once before that: each costs one place at migasfree's relay,
 * which it gives back when the link ends, and then only one.
 */
const CHANGE_EVERY_MS = 5 * 60_000;
const CHANGES_AT_ONCE_COUNT = 3;

/**
 * When to look whether the relay still knows us. The end of a link that was
 * before removes what the new one has registered, and a relay that was not
 * told of that end notices it after 90 s.
 */
const VERIFY_AFTER_MS = [[5_000, 15_000], [95_000, 110_000]] as const;

/** How long the relay may take to answer whether it knows us. */
const VERIFY_TIMEOUT_MS = 10_000;

/** A link that ends so soon after the question may have ended because of it. */
const BLAME_MS = 5_000;

type Heard = Exclude<V1Message, V1TunnelData>;
type Answer = "known" | "unknown" | "silent";

interface Question {
  /** Of the tunnel to ourselves. */
  readonly id: string;
  readonly askedAtMs: number;
  readonly answer: (answer: Answer) => void;
  isAnswered: boolean;
}

/** What is remembered from link to link. */
export interface V1Past {
  /** A link of ours was registered before. */
  isReturn: boolean;
  /** The relay minds to be asked whether it knows us. */
  isTouchy: boolean;
}

/** What a relay of protocol 1 knows of us, and whether it still does. */
export class V1Registration {
  readonly #link: V1Link;
  readonly #settings: AgentSettings;
  readonly #ports: AgentPorts;
  readonly #past: V1Past;
  /** Names of the services, as they were last told. */
  #told: readonly string[] = [];
  /** Below the time, changes are saved up; see {@linkcode CHANGE_EVERY_MS}. */
  #changesPaidMs = -Infinity;
  /** What we have asked last: its echoes come later than its answer. */
  #question: Question | undefined;

  constructor(
    link: V1Link,
    settings: AgentSettings,
    ports: AgentPorts,
    past: V1Past,
  ) {
    this.#link = link;
    this.#settings = settings;
    this.#ports = ports;
    this.#past = past;
  }

  /** Says who we are. To be called before anything else is said. */
  async register(): Promise<void> {
    this.#say(await this.#servicesNow());
  }

  /** Tells of changes. @throws `signal.reason` once aborted. */
  async watch(signal: AbortSignal): Promise<never> {
    const { clock } = this.#ports;
    for (;;) {
      await clock.sleep(LOOK_EVERY_MS, signal);
      const names = await this.#servicesNow();
      if (names.join() !== this.#told.join() && this.#mayTell()) {
        this.#say(names);
      }
    }
  }

  /**
   * Looks twice whether the relay still knows us, and registers again where
   * it does not.
   *
   * @throws `signal.reason` once aborted.
   */
  async verify(signal: AbortSignal): Promise<void> {
    const { clock, log, random } = this.#ports;
    const startMs = clock.now();
    const isReturn = this.#past.isReturn;
    this.#past.isReturn = true;
    for (const [minMs, maxMs] of VERIFY_AFTER_MS) {
      const dueMs = startMs + minMs + random() * (maxMs - minMs);
      await clock.sleep(Math.max(0, dueMs - clock.now()), signal);
      const answer = this.#past.isTouchy ? "silent" : await this.#ask(signal);
      const isLost = answer === "unknown" || answer === "silent" && isReturn;
      if (!isLost) continue;
      log.warn("link.unknown", { answer });
      this.#say(this.#told);
    }
  }

  /** Returns whether `message` was an answer to what only we have asked. */
  heard(message: Heard): boolean {
    const question = this.#question;
    if (!question) return false;
    if (message.type === "error") {
      if (question.isAnswered) return false;
      question.answer("unknown");
      return true;
    }
    if (!("tunnel_id" in message) || message.tunnel_id !== question.id) {
      return false;
    }
    if (message.type === "start_tcp_tunnel") {
      this.#link.sendClose(question.id);
      question.answer("known");
    }
    return true;
  }

  /** The link has ended. */
  closed(): void {
    if (!this.#question) return;
    const agoMs = this.#ports.clock.now() - this.#question.askedAtMs;
    if (agoMs < BLAME_MS) this.#past.isTouchy = true;
  }

  /**
   * Asks the relay for a tunnel to ourselves: it passes the request on to
   * whom it knows by our id, whoever asks.
   *
   * The list of agents would not do: it comes from a database that outlives
   * the relay's memory, has an end, and the manager shows it to operators
   * only. Registering again without a question would do, but each time takes
   * a place at the relay that it never gives back.
   */
  async #ask(signal: AbortSignal): Promise<Answer> {
    const { clock } = this.#ports;
    const id = `self-${randomHex()}`;
    const { promise, resolve } = Promise.withResolvers<Answer>();
    const question = {
      id,
      askedAtMs: clock.now(),
      answer: resolve,
      isAnswered: false,
    };
    this.#question = question;
    this.#link.say({
      type: "start_tcp_tunnel",
      id: this.#settings.deviceId,
      "tunnel_id": id,
      service: "self",
      "client_cn": `CID-${this.#settings.deviceId}`,
    });
    const done = new AbortController();
    const either = AbortSignal.any([signal, done.signal]);
    const late = clock.sleep(VERIFY_TIMEOUT_MS, either)
      .then((): Answer => "silent");
    try {
      return await Promise.race([promise, late]);
    } finally {
      question.isAnswered = true;
      done.abort();
      await late.catch(() => undefined); // Answered in time, or thrown above.
    }
  }

  #say(services: readonly string[]): void {
    const { deviceId, name } = this.#settings;
    this.#told = services;
    this.#link.say({
      type: "register_agent",
      id: deviceId,
      name: `${name} [CID-${deviceId}]`,
      services,
      mode: "tcp_tunnel",
    });
  }

  /** Some at once, then one in a while: a service that flaps costs places. */
  #mayTell(): boolean {
    const nowMs = this.#ports.clock.now();
    const savedMs = (CHANGES_AT_ONCE_COUNT - 1) * CHANGE_EVERY_MS;
    if (this.#changesPaidMs - nowMs > savedMs) return false;
    this.#changesPaidMs = Math.max(this.#changesPaidMs, nowMs) +
      CHANGE_EVERY_MS;
    return true;
  }

  /**
   * The addresses that answer, or may: as migasfree's own agent, which has
   * nothing else, and whose list is for people to choose from.
   */
  async #servicesNow(): Promise<string[]> {
    const { services } = this.#settings;
    const found = await lookAtServices(services, this.#ports);
    return found.filter(({ name, state }) =>
      state !== "closed" && !("open" in (services.get(name) ?? {}))
    ).map(({ name }) => name);
  }
}
