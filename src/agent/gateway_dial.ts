import { Fault } from "../protocol/fault.ts";
import { CONTROL_SUBPROTOCOL } from "../protocol/version.ts";
import type { Link } from "../transport/link.ts";
import type { AgentPorts, AgentSettings } from "./ports.ts";

/** How long a gateway of protocol 1 is not asked for protocol 2 again. */
const REMEMBER_MS = 60 * 60_000;

/** A link to a gateway on which nothing was said yet. */
export interface DialedGateway {
  readonly link: Link;
  readonly gatewayUrl: string;
  readonly protocol: 1 | 2;
  /** Protocol 2 was not asked for, because of the answer last time. */
  readonly isRemembered: boolean;
}

type DialPorts = Pick<AgentPorts, "clock" | "dial" | "findGateway">;

/** Dials the gateway in the best protocol that both sides speak. */
export class GatewayDial {
  readonly #settings: Pick<AgentSettings, "deviceId" | "protocol">;
  readonly #ports: DialPorts;
  /** The gateway that has last chosen no subprotocol, and until when we mind. */
  #old: { readonly url: string; readonly untilMs: number } | undefined;

  constructor(
    settings: Pick<AgentSettings, "deviceId" | "protocol">,
    ports: DialPorts,
  ) {
    this.#settings = settings;
    this.#ports = ports;
  }

  /**
   * Finds the gateway and dials its control link.
   *
   * @throws {Fault} What `findGateway` or `dial` throws.
   * @throws `signal.reason` once aborted.
   */
  async dial(signal: AbortSignal): Promise<DialedGateway> {
    const gatewayUrl = await this.#ports.findGateway(signal);
    const { protocol } = this.#settings;
    const isRemembered = protocol === "auto" && this.#isOld(gatewayUrl);
    if (protocol === "1" || isRemembered) {
      const link = await this.#ask(gatewayUrl, undefined, signal);
      return { link, gatewayUrl, protocol: 1, isRemembered };
    }
    try {
      const link = await this.#ask(gatewayUrl, CONTROL_SUBPROTOCOL, signal);
      this.#old = undefined;
      return { link, gatewayUrl, protocol: 2, isRemembered };
    } catch (error) {
      signal.throwIfAborted();
      const isOlder = Fault.from(error).code === "versionUnsupported";
      if (!isOlder || protocol === "2") throw error;
    }
    const link = await this.#ask(gatewayUrl, undefined, signal);
    // So that coming back does not cost two handshakes each time.
    const untilMs = this.#ports.clock.now() + REMEMBER_MS;
    this.#old = { url: gatewayUrl, untilMs };
    return { link, gatewayUrl, protocol: 1, isRemembered };
  }

  /** Asks for protocol 2 the next time: there is more to be had. */
  forget(): void {
    this.#old = undefined;
  }

  #isOld(url: string): boolean {
    const old = this.#old;
    return old?.url === url && this.#ports.clock.now() < old.untilMs;
  }

  #ask(
    url: string,
    subprotocol: string | undefined,
    signal: AbortSignal,
  ): Promise<Link> {
    const headers = { "X-Agent-ID": String(this.#settings.deviceId) };
    return this.#ports.dial({ url, subprotocol, headers }, signal);
  }
}
