import { withDeadline } from "../base/deadline.ts";
import { Fault } from "../protocol/fault.ts";
import {
  deviceIdSchema,
  randomHex,
  serviceNameSchema,
} from "../protocol/id.ts";
import { OPERATOR_NAME_MAX_CHARS } from "../protocol/limits.ts";
import type { Joined } from "../protocol/stream_message.ts";
import type { Link } from "../transport/link.ts";
import { closeWithFault, faultOfEnd } from "../transport/link_end.ts";
import type { Admitted } from "./admit.ts";
import type { AgentSession } from "./agent_session.ts";
import type { OpenLinks } from "./open_links.ts";
import type { GatewayPorts } from "./ports.ts";
import type { Registry } from "./registry.ts";
import { relay, type RelayResult } from "./relay.ts";
import type { Rendezvous } from "./rendezvous.ts";
import type { TunnelQuotas } from "./tunnel_quotas.ts";

export interface ServeOperatorPorts extends GatewayPorts {
  readonly registry: Registry;
  readonly openLinks: OpenLinks;
  readonly rendezvous: Rendezvous;
  readonly quotas: TunnelQuotas;
}

/** A tunnel that an operator asks for. */
interface Wish {
  readonly tunnelId: string;
  readonly deviceId: number;
  readonly service: string;
  readonly operator: Admitted;
}

/**
 * Serves one operator's link: asks the device's agent for the service, joins
 * the two links, and forwards until they end.
 *
 * @throws {Fault} Why the tunnel could not be opened; the caller closes the
 * link with it, and that is all the operator is told.
 */
export async function serveOperator(
  link: Link,
  operator: Admitted,
  query: URLSearchParams,
  ports: ServeOperatorPorts,
  signal: AbortSignal,
): Promise<void> {
  const wish = wishOf(operator, query);
  const startMs = ports.clock.now();
  try {
    const session = findSession(wish, ports);
    using _slots = ports.quotas.take({
      operator: operator.principal.subject,
      deviceId: wish.deviceId,
      address: operator.address,
    });
    const agentLink = await openAgentLink(link, session, wish, ports, signal);
    ports.metrics.tunnelOpened(wish.service, ports.clock.now() - startMs);
    await joinAndRelay(link, agentLink, session, wish, ports, signal);
  } catch (error) {
    const fault = Fault.from(error);
    ports.metrics.tunnelRefused(fault.code);
    ports.log.warn("tunnel.refused", logFields(wish), fault);
    ports.audit.write({
      event: "tunnel.refused",
      ...auditFields(wish),
      code: fault.code,
      message: fault.message,
    });
    throw fault;
  }
}

function wishOf(operator: Admitted, query: URLSearchParams): Wish {
  const deviceId = deviceIdSchema.safeParse(Number(query.get("device")));
  const service = serviceNameSchema.safeParse(query.get("service"));
  if (!deviceId.success || !service.success) {
    throw new Fault(
      "messageInvalid",
      "Cannot open tunnel: the request names no device or no service",
      { hint: "Ask for ?device=<id>&service=<name>" },
    );
  }
  return {
    tunnelId: randomHex(),
    deviceId: deviceId.data,
    service: service.data,
    operator,
  };
}

/** @throws {Fault} `deviceUnknown`, `deviceOffline`, `serviceUnknown`. */
function findSession(wish: Wish, ports: ServeOperatorPorts): AgentSession {
  const { deviceId, service } = wish;
  const session = ports.registry.find(deviceId);
  if (!session) {
    const known = ports.store.find(deviceId);
    if (!known) {
      throw new Fault("deviceUnknown", `There is no device ${deviceId} here`, {
        hint: "Run `migasfree-agent devices` to see which there are",
      });
    }
    const seconds = (ports.clock.wallNow() - known.seenAtMs) / 1000;
    throw new Fault(
      "deviceOffline",
      `Device ${deviceId} is offline, last seen ${ago(seconds)} ago`,
      { hint: "Check that the computer is on and its agent runs" },
    );
  }
  if (!session.services.some(({ name }) => name === service)) {
    const offered = session.services.map(({ name }) => name).join(", ");
    throw new Fault(
      "serviceUnknown",
      `Device ${deviceId} offers no service "${service}", only: ${offered}`,
      { hint: "Add it to [services] of its agent.toml" },
    );
  }
  return session;
}

function ago(seconds: number): string {
  if (seconds < 120) return `${Math.max(0, Math.round(seconds))} s`;
  if (seconds < 7_200) return `${Math.round(seconds / 60)} min`;
  return `${Math.round(seconds / 3_600)} h`;
}

/**
 * Returns the agent's link once its service has answered and its link is
 * here, whichever comes last.
 */
async function openAgentLink(
  link: Link,
  session: AgentSession,
  wish: Wish,
  ports: ServeOperatorPorts,
  signal: AbortSignal,
): Promise<Link> {
  const { tunnelId, service, operator } = wish;
  const deadlineMs = ports.limits.openTimeoutMs;
  const arrival = Promise.withResolvers<Link>();
  const ticket = ports.rendezvous.expect(session.subject, arrival.resolve);
  const left = watchEarlyEnd(link, signal);
  try {
    const [agentLink] = await withDeadline(
      (signal) =>
        Promise.all([
          arrival.promise,
          session.open({
            tunnel: tunnelId,
            service,
            operator: operator.principal.name.slice(0, OPERATOR_NAME_MAX_CHARS),
            ticket,
            deadline_ms: deadlineMs,
          }, signal),
        ]),
      deadlineMs,
      () => timedOut(wish, deadlineMs),
      ports.clock,
      left,
    );
    return agentLink;
  } catch (error) {
    // The agent's link may be here although its service is not.
    const fault = Fault.from(error);
    void arrival.promise.then((late) => closeWithFault(late, fault));
    throw fault;
  } finally {
    ports.rendezvous.forget(ticket);
  }
}

function timedOut(wish: Wish, deadlineMs: number): Fault {
  return new Fault(
    "openTimedOut",
    `Device ${wish.deviceId} did not answer in ${deadlineMs / 1000} s`,
    { hint: "Try again; if it stays so, look at the agent's log" },
  );
}

/** Aborts when the operator leaves, or speaks, before it was joined. */
function watchEarlyEnd(link: Link, signal: AbortSignal): AbortSignal {
  const left = new AbortController();
  link.handle({
    message: () =>
      left.abort(
        new Fault("messageUnexpected", "Cannot begin without being joined"),
      ),
    drain: () => undefined,
    closed: (end) => left.abort(faultOfEnd(end)),
  });
  return AbortSignal.any([signal, left.signal]);
}

async function joinAndRelay(
  link: Link,
  agentLink: Link,
  session: AgentSession,
  wish: Wish,
  ports: ServeOperatorPorts,
  signal: AbortSignal,
): Promise<void> {
  const { clock, heartbeats, heartbeat, log, metrics } = ports;
  const cut = new AbortController();
  using _watched = ports.openLinks.add(
    wish.operator.certificate,
    (fault) => cut.abort(fault),
  );
  const joined: Joined = { type: "joined", tunnel: wish.tunnelId, heartbeat };
  const startedAtMs = clock.wallNow();
  const startMs = clock.now();
  log.info("tunnel.open", logFields(wish));
  ports.audit.write({
    event: "tunnel.opened",
    ...auditFields(wish),
    deviceName: session.name,
  });
  metrics.tunnelsOpen(1);
  const either = AbortSignal.any([signal, cut.signal]);
  const relaying = relay(link, agentLink, heartbeats, heartbeat, either);
  link.send(JSON.stringify(joined));
  agentLink.send(JSON.stringify(joined));
  const result = await relaying;
  metrics.tunnelsOpen(-1);
  const ms = Math.round(clock.now() - startMs);
  reportClosed(wish, session, result, { ms, startedAtMs }, ports);
}

function reportClosed(
  wish: Wish,
  session: AgentSession,
  result: RelayResult,
  times: { readonly ms: number; readonly startedAtMs: number },
  ports: ServeOperatorPorts,
): void {
  const code = result.fault?.code ?? "ok";
  const bytes = { bytesUp: result.upBytes, bytesDown: result.downBytes };
  ports.metrics.streamBytes("up", result.upBytes);
  ports.metrics.streamBytes("down", result.downBytes);
  ports.metrics.linkClosed("stream", code);
  const { tunnelId } = wish;
  ports.log.info("tunnel.close", { tunnelId, ms: times.ms, ...bytes, code });
  ports.audit.write({
    event: "tunnel.closed",
    ...auditFields(wish),
    deviceName: session.name,
    startedAt: new Date(times.startedAtMs).toISOString(),
    ms: times.ms,
    ...bytes,
    code,
  });
}

function logFields(wish: Wish) {
  return {
    tunnelId: wish.tunnelId,
    operator: wish.operator.principal.name,
    address: wish.operator.address,
    device: wish.deviceId,
    service: wish.service,
  };
}

function auditFields(wish: Wish) {
  return {
    tunnelId: wish.tunnelId,
    operator: wish.operator.principal.name,
    operatorSubject: wish.operator.principal.subject,
    address: wish.operator.address,
    deviceId: wish.deviceId,
    service: wish.service,
  };
}
