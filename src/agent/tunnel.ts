import { Scope } from "../base/scope.ts";
import type { Open } from "../protocol/control.ts";
import { Fault } from "../protocol/fault.ts";
import {
  FAULT_MESSAGE_MAX_CHARS,
  OPEN_TIMEOUT_MS,
} from "../protocol/limits.ts";
import { STREAM_SUBPROTOCOL } from "../protocol/version.ts";
import type { ByteSocket } from "../transport/byte_socket.ts";
import type { Link } from "../transport/link.ts";
import { closeWithFault } from "../transport/link_end.ts";
import { dialPatiently } from "../transport/reopen.ts";
import { runStream } from "../transport/stream_link.ts";
import type { StreamResult } from "../transport/stream_ports.ts";
import type { ResumePorts } from "../transport/way_back.ts";
import type { Detaches } from "./detaches.ts";
import { findService, openService } from "./open_service.ts";
import type { AgentPorts, AgentSettings } from "./ports.ts";

/** An agent is there anyway; its operator wants to hear of a clean end. */
const LINGER_MS = 60_000;

export interface TunnelRequest {
  readonly open: Open;
  readonly gatewayUrl: string;
  /** Says over the control link what became of it. */
  readonly reply: (message: object) => void;
  /** Aborts when the operator has left before the tunnel was open. */
  readonly cancelled: AbortSignal;
  /** Hears of links that are lost, and of new ones. */
  readonly detaches: Detaches;
}

/**
 * Joins one operator to one local service until both have ended.
 *
 * Never rejects: the gateway, and through it the operator, is told why a
 * tunnel could not be opened or broke off, and the log has one closing line.
 */
export async function runTunnel(
  request: TunnelRequest,
  settings: AgentSettings,
  ports: AgentPorts,
  signal: AbortSignal,
): Promise<void> {
  const { clock, log } = ports;
  const { tunnel: tunnelId, service, operator } = request.open;
  const startMs = clock.now();
  let result: StreamResult;
  try {
    const [socket, link] = await openBoth(request, settings, ports, signal);
    log.info("tunnel.open", { tunnelId, service, operator });
    result = await runStream(
      socket,
      link,
      {
        ...ports,
        joined: () => undefined,
        isScouting: true,
        resume: resumePorts(request, ports, settings),
        reopen: {
          dial: (signal) => dialOnce(request, settings, ports, signal),
          random: ports.random,
          returnTicket: request.open,
        },
      },
      signal,
    );
  } catch (error) {
    const fault = Fault.from(error);
    const message = fault.message.slice(0, FAULT_MESSAGE_MAX_CHARS);
    const { code } = fault;
    request.reply({ type: "refused", tunnel: tunnelId, code, message });
    log.warn("tunnel.refused", { tunnelId, service, operator }, fault);
    return;
  }
  request.detaches.ended(tunnelId, signal.aborted);
  const ms = Math.round(clock.now() - startMs);
  const { sentBytes, receivedBytes, fault } = result;
  log.info("tunnel.close", {
    tunnelId,
    ms,
    sentBytes,
    receivedBytes,
    code: fault?.code ?? "ok",
  });
}

/** How this end comes back after its link was lost. */
function resumePorts(
  { detaches, gatewayUrl, open }: TunnelRequest,
  ports: AgentPorts,
  settings: AgentSettings,
): ResumePorts {
  const tunnelId = open.tunnel;
  return {
    random: ports.random,
    lingerMs: LINGER_MS,
    dial: (token, signal) =>
      ports.dial({
        url: `${gatewayUrl}/resume`,
        subprotocol: STREAM_SUBPROTOCOL,
        headers: {
          "X-Agent-ID": String(settings.deviceId),
          "Authorization": `Bearer ${token}`,
        },
      }, signal),
    lost: (fault) => {
      detaches.lost(tunnelId);
      ports.log.warn("tunnel.detach", { tunnelId }, fault);
    },
    back: (ms, replayedBytes) => {
      detaches.back(tunnelId, replayedBytes);
      ports.log.info("tunnel.resume", { tunnelId, ms, replayedBytes });
    },
  };
}

/** Connects to the service and dials the gateway at once; both or neither. */
async function openBoth(
  request: TunnelRequest,
  settings: AgentSettings,
  ports: AgentPorts,
  signal: AbortSignal,
): Promise<[ByteSocket, Link]> {
  const { open, reply } = request;
  const { operator, service, tunnel: tunnelId } = open;
  const wanted = {
    service,
    target: findService(service, settings.services),
    caller: { tunnelId, operator },
    timeoutMs: Math.min(open.deadline_ms, OPEN_TIMEOUT_MS),
  };
  await using scope = new Scope(AbortSignal.any([signal, request.cancelled]));
  let socket: ByteSocket | undefined;
  let link: Link | undefined;
  try {
    scope.go(async (signal) => {
      socket = await openService(wanted, ports, signal);
    });
    scope.go(async (signal) => {
      link = await dialStream(request, settings, ports, signal);
    });
    await scope.join();
    if (!socket || !link) {
      throw new Fault("internal", "Neither came nor failed");
    }
    reply({ type: "opened", tunnel: open.tunnel });
    return [socket, link];
  } catch (error) {
    socket?.reset();
    if (link) closeWithFault(link, Fault.from(error));
    throw error;
  }
}

/** Half the time is for dialing: what is wrong is to be said in the rest. */
function dialStream(
  request: TunnelRequest,
  settings: AgentSettings,
  ports: AgentPorts,
  signal: AbortSignal,
): Promise<Link> {
  const { clock, random } = ports;
  const endMs = clock.now() + request.open.deadline_ms / 2;
  const dial = (signal: AbortSignal) =>
    dialOnce(request, settings, ports, signal);
  return dialPatiently(dial, endMs, random, clock, signal);
}

function dialOnce(
  { gatewayUrl, open }: TunnelRequest,
  settings: AgentSettings,
  ports: AgentPorts,
  signal: AbortSignal,
): Promise<Link> {
  return ports.dial({
    url: `${gatewayUrl}/stream`,
    subprotocol: STREAM_SUBPROTOCOL,
    headers: {
      "X-Agent-ID": String(settings.deviceId),
      "Authorization": `Bearer ${open.ticket}`,
    },
  }, signal);
}
