import { RawLink } from "./raw_link.ts";
import type { Identity } from "./site.ts";
import { STREAM_SUBPROTOCOL } from "../../src/protocol/version.ts";

/** What a gateway asks an agent for. */
export interface RawOpen {
  readonly tunnel: string;
  readonly service: string;
  readonly ticket: string;
}

export interface RawAgentOptions {
  readonly url: string;
  readonly identity: Identity;
  readonly id: number;
  readonly services?: readonly string[];
}

/** The first message of an agent, as the protocol wants it. */
export function rawHello(
  id: number,
  services: readonly string[] = ["ssh"],
): Record<string, unknown> {
  return {
    type: "hello",
    versions: [2],
    software: "raw",
    device: { id, name: `raw-${id}` },
    services: services.map((name) => ({ name, state: "open" })),
  };
}

/** An agent that does nothing by itself: the test says each of its words. */
export class RawAgent implements AsyncDisposable {
  readonly control: RawLink;
  readonly #options: RawAgentOptions;

  private constructor(control: RawLink, options: RawAgentOptions) {
    this.control = control;
    this.#options = options;
  }

  /** Dials, says hello and resolves when it is welcome. */
  static async connect(options: RawAgentOptions): Promise<RawAgent> {
    const { id, identity, services, url } = options;
    const control = await RawLink.dial({ url, identity });
    control.send(rawHello(id, services));
    await control.nextOf("welcome");
    return new RawAgent(control, options);
  }

  /** The next tunnel that the gateway asks for. */
  async open(): Promise<RawOpen> {
    const { service, ticket, tunnel } = await this.control.nextOf("open");
    return {
      service: String(service),
      ticket: String(ticket),
      tunnel: String(tunnel),
    };
  }

  opened(tunnel: string): void {
    this.control.send({ type: "opened", tunnel });
  }

  /** Dials a stream link with `ticket`, as whoever has `identity`. */
  async stream(
    ticket: string,
    identity: Identity = this.#options.identity,
  ): Promise<RawLink> {
    return await RawLink.dial({
      url: `${this.#options.url}/stream`,
      identity,
      subprotocol: STREAM_SUBPROTOCOL,
      headers: { Authorization: `Bearer ${ticket}` },
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.control[Symbol.asyncDispose]();
  }
}
