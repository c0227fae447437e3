import type { Clock } from "../base/clock.ts";
import { plainText } from "../base/text.ts";
import { EXEC_SERVICE } from "../protocol/exec_message.ts";
import { Fault } from "../protocol/fault.ts";
import { OPEN_TIMEOUT_MS, SERVICE_NAME_MAX_CHARS } from "../protocol/limits.ts";
import type { V1Message } from "../protocol/v1_message.ts";
import type { ByteSocket } from "../transport/byte_socket.ts";
import { joinSockets } from "../transport/join_sockets.ts";
import type { V1Link } from "../transport/v1_link.ts";
import type { V1Tunnel } from "../transport/v1_tunnel.ts";
import {
  findService,
  openService,
  type ServiceRequest,
} from "./open_service.ts";
import type { AgentPorts, AgentSettings } from "./ports.ts";
import type { RunningTunnels } from "./running_tunnels.ts";
import { v1Caller } from "./v1_caller.ts";

/** How long a service may take for what has come before its operator left. */
const DRAIN_MAX_MS = 5 * 60_000;

export type V1Start = Extract<V1Message, { type: "start_tcp_tunnel" }>;

/** The tunnels of one protocol 1 link, at the device. */
export class V1Tunnels {
  readonly #link: V1Link;
  readonly #settings: AgentSettings;
  readonly #ports: AgentPorts;
  readonly #running: RunningTunnels;

  constructor(
    link: V1Link,
    settings: AgentSettings,
    ports: AgentPorts,
    running: RunningTunnels,
  ) {
    this.#link = link;
    this.#settings = settings;
    this.#ports = ports;
    this.#running = running;
  }

  /**
   * Begins what an operator has asked for. Returns what runs it to its end,
   * which never rejects, or undefined if there is nothing to run.
   */
  start(
    { client_cn: clientCn, service, tunnel_id: id }: V1Start,
  ): ((signal: AbortSignal) => Promise<void>) | undefined {
    // migasfree's web console says so before each `execute_command`, and has
    // nothing to send: whatever came of it would disturb the command.
    if (service === EXEC_SERVICE) return undefined;
    const caller = v1Caller(id, clientCn);
    const shown = {
      ...caller,
      service: plainText(service, SERVICE_NAME_MAX_CHARS),
    };
    try {
      const target = findService(shown.service, this.#settings.services);
      const ended = this.#running.begin({ ...shown, id: caller.tunnelId });
      const request = {
        service,
        target,
        caller,
        timeoutMs: OPEN_TIMEOUT_MS,
      };
      // At once: what comes before the service has answered waits in it.
      const tunnel = this.#openTunnel(id, ended);
      return (signal) => this.#run(tunnel, request, signal).finally(ended);
    } catch (error) {
      const { tunnelId, operator } = caller;
      const { service } = shown;
      this.#ports.log.warn(
        "tunnel.refused",
        { tunnelId, service, operator },
        error,
      );
      // With an id that is taken, this ends the tunnel that has it: the relay
      // has forgotten whose it was, and sends its bytes to somebody else.
      this.#link.sendClose(id);
      return undefined;
    }
  }

  #openTunnel(id: string, ended: () => void): V1Tunnel {
    try {
      return this.#link.openTunnel(id);
    } catch (error) {
      ended();
      throw error;
    }
  }

  async #run(
    tunnel: V1Tunnel,
    request: ServiceRequest,
    signal: AbortSignal,
  ): Promise<void> {
    const { clock, log } = this.#ports;
    const { caller: { operator, tunnelId }, service } = request;
    const startMs = clock.now();
    let socket: ByteSocket;
    try {
      socket = await openService(request, this.#ports, signal);
    } catch (error) {
      tunnel.reset();
      const fault = Fault.from(error);
      log.warn("tunnel.refused", { tunnelId, service, operator }, fault);
      return;
    }
    log.info("tunnel.open", { tunnelId, service, operator });
    using drain = new DrainLimit(tunnel.over, clock);
    const { sentBytes, receivedBytes, fault } = await joinSockets(
      socket,
      tunnel,
      clock,
      AbortSignal.any([signal, drain.signal]),
    );
    const ms = Math.round(clock.now() - startMs);
    const code = fault?.code ?? "ok";
    log.info("tunnel.close", { tunnelId, ms, sentBytes, receivedBytes, code });
  }
}

/** Aborts when a tunnel has been over for {@linkcode DRAIN_MAX_MS}. */
class DrainLimit implements Disposable {
  readonly #done = new AbortController();
  readonly #late = new AbortController();

  constructor(over: AbortSignal, clock: Clock) {
    const begin = () =>
      void clock.sleep(DRAIN_MAX_MS, this.#done.signal).then(
        () => this.#late.abort(new Fault("peerGone", "The operator has left")),
        () => undefined, // It has ended in time.
      );
    over.addEventListener("abort", begin, {
      once: true,
      signal: this.#done.signal,
    });
    if (over.aborted) begin();
  }

  get signal(): AbortSignal {
    return this.#late.signal;
  }

  [Symbol.dispose](): void {
    this.#done.abort();
  }
}
