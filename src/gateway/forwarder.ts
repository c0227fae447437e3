import type { Log } from "../base/log.ts";
import { Fault, type FaultCode } from "../protocol/fault.ts";
import type { Link } from "../transport/link.ts";
import type { Admitted } from "./admit.ts";
import { carryLink, type CarryPorts } from "./carry_link.ts";
import type { GatewayTable } from "./gateway_table.ts";
import type { OpenLinks } from "./open_links.ts";
import { FORWARDED_HEADER, type Statements } from "./statement.ts";

/** A link to another gateway. */
export interface OnwardRequest {
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
}

export interface ForwarderPorts extends CarryPorts {
  readonly log: Log;
  readonly gateways: GatewayTable;
  readonly statements: Statements;
  readonly openTimeoutMs: number;
  /** Dials another gateway, within seconds. @throws {Fault} */
  readonly dial: (request: OnwardRequest, signal: AbortSignal) => Promise<Link>;
}

/** What a caller wants of another gateway. */
export interface ForwardRequest {
  readonly gatewayId: string;
  /** Path and query. */
  readonly target: string;
  /** The caller's bearer token, if there is one. */
  readonly bearer?: string;
}

/** Faults of a dial that mean: there is no gateway any more. */
const GONE: readonly FaultCode[] = [
  ...["gatewayUnreachable", "gatewayUnresolved", "gatewayUntrusted"] as const,
  ...["gatewayRefused", "gatewayDraining", "versionUnsupported"] as const,
  "identityForged",
];

/** Returns whether a fault of {@linkcode Forwarder.forward} says so. */
export function isGatewayGone(fault: Fault): boolean {
  return GONE.includes(fault.code);
}

/** Carries links on to the gateway that they should have come to. */
export class Forwarder {
  readonly #ports: ForwarderPorts;

  constructor(ports: ForwarderPorts) {
    this.#ports = ports;
  }

  /**
   * Forwards until the links have ended.
   *
   * @throws {Fault} If the other gateway cannot be reached, or refuses the
   * handshake; the link is left for the caller then.
   */
  async forward(
    link: Link,
    caller: Admitted,
    request: ForwardRequest,
    openLinks: OpenLinks,
    signal: AbortSignal,
  ): Promise<void> {
    const { clock, log, openTimeoutMs } = this.#ports;
    const { gatewayId, target } = request;
    const onward = await this.#dial(caller, request, signal);
    const [path = ""] = target.split("?", 1);
    const facts = { gatewayId, path, address: caller.address };
    log.info("forward.open", facts);
    const startMs = clock.now();
    const cut = new AbortController();
    using _watched = openLinks.add(
      caller.certificate,
      (fault) => cut.abort(fault),
    );
    const either = AbortSignal.any([signal, cut.signal]);
    const result = await carryLink(
      link,
      onward,
      openTimeoutMs,
      this.#ports,
      either,
    );
    const ms = Math.round(clock.now() - startMs);
    const { upBytes: bytesIn, downBytes: bytesOut } = result;
    const code = result.fault?.code ?? "ok";
    log.info("forward.close", { ...facts, ms, bytesIn, bytesOut, code });
  }

  async #dial(
    caller: Admitted,
    request: ForwardRequest,
    signal: AbortSignal,
  ): Promise<Link> {
    const { dial, gateways, log, statements } = this.#ports;
    const { gatewayId, target, bearer } = request;
    const origin = await gateways.urlOf(gatewayId);
    const statement = await statements.sign(caller, target);
    const headers = {
      [FORWARDED_HEADER]: statement,
      ...(bearer === undefined ? {} : { Authorization: `Bearer ${bearer}` }),
    };
    try {
      return await dial({ url: `${origin}${target}`, headers }, signal);
    } catch (error) {
      signal.throwIfAborted();
      const fault = Fault.from(error);
      log.warn("forward.failed", { gatewayId, gateway: origin }, fault);
      if (isGatewayGone(fault)) gateways.forget(gatewayId);
      throw fault;
    }
  }
}
