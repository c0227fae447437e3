import { withDeadline } from "../base/deadline.ts";
import { EXEC_SERVICE } from "../protocol/exec_message.ts";
import { Fault } from "../protocol/fault.ts";
import {
  deviceIdSchema,
  randomHex,
  serviceNameSchema,
} from "../protocol/id.ts";
import { OPERATOR_NAME_MAX_CHARS } from "../protocol/limits.ts";
import { CONNECT_PATH } from "../protocol/version.ts";
import type { Link } from "../transport/link.ts";
import { closeWithFault, faultOfEnd } from "../transport/link_end.ts";
import type { Admitted } from "./admit.ts";
import type { DeviceSession } from "./device_session.ts";
import type { Registry } from "./registry.ts";
import type { Refusal } from "./refusal_limiter.ts";
import {
  relayTunnel,
  type RelayTunnelPorts,
  type TunnelFacts,
} from "./relay_tunnel.ts";
import type { Arrival, Rendezvous } from "./rendezvous.ts";
import { makeReturnTicket } from "./return_ticket.ts";
import type { TunnelQuotas } from "./tunnel_quotas.ts";

export interface ServeOperatorPorts extends RelayTunnelPorts {
  readonly registry: Registry;
  readonly rendezvous: Rendezvous;
  readonly quotas: TunnelQuotas;
  /** Writes a refusal down. */
  readonly refused: (refusal: Refusal) => void;
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
  const wish = wishOf(operator, query, ports);
  const startMs = ports.clock.now();
  try {
    if (await isElsewhere(link, wish, ports, signal)) return;
    const session = await findSession(wish, ports);
    using _slots = ports.quotas.take({
      operator: operator.principal,
      deviceId: wish.deviceId,
      address: operator.address,
    });
    const arrival = await awaitAgent(link, session, wish, ports, signal);
    ports.metrics.tunnelOpened(wish.service, ports.clock.now() - startMs);
    const ends = {
      agent: { link: arrival.link, caller: arrival.agent },
      operator: { link, caller: operator },
    };
    await relayTunnel(factsOf(wish, session), ends, ports, signal);
  } catch (error) {
    const fault = Fault.from(error);
    ports.metrics.tunnelRefused(fault.code);
    ports.log.warn("tunnel.refused", logFields(wish), fault);
    ports.refused({
      event: "tunnel.refused",
      ...auditFields(wish),
      code: fault.code,
      message: fault.message,
    });
    throw fault;
  }
}

/** @throws {Fault} `messageInvalid`, written down. */
function wishOf(
  operator: Admitted,
  query: URLSearchParams,
  ports: ServeOperatorPorts,
): Wish {
  // Number() alone would take " 7" and 0x7, too.
  const digits = /^[0-9]{1,10}$/.exec(query.get("device") ?? "")?.[0];
  const deviceId = deviceIdSchema.safeParse(Number(digits));
  const service = serviceNameSchema.safeParse(query.get("service"));
  if (!deviceId.success || !service.success) {
    const message =
      "Cannot open tunnel: the request names no device or service";
    ports.refused({
      event: "link.refused",
      address: operator.address,
      subject: operator.principal.subject,
      path: CONNECT_PATH,
      code: "messageInvalid",
      message,
    });
    throw new Fault("messageInvalid", message, {
      hint: "Ask for ?device=<id>&service=<name>",
    });
  }
  return {
    tunnelId: randomHex(),
    deviceId: deviceId.data,
    service: service.data,
    operator,
  };
}

/** Returns true once the link has ended that belonged to another gateway. */
async function isElsewhere(
  link: Link,
  wish: Wish,
  ports: ServeOperatorPorts,
  signal: AbortSignal,
): Promise<boolean> {
  const { cluster, openLinks, registry } = ports;
  if (!cluster || registry.find(wish.deviceId)) return false;
  const arrived = { link, caller: wish.operator, openLinks };
  return await cluster.routes.connect(arrived, wish, signal);
}

/** @throws {Fault} `deviceUnknown`, `deviceOffline`, `serviceUnknown`. */
async function findSession(
  wish: Wish,
  ports: ServeOperatorPorts,
): Promise<DeviceSession> {
  const { deviceId, service } = wish;
  const session = ports.registry.find(deviceId);
  if (!session) {
    const known = await ports.store.find(deviceId);
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
  if (!session.offers(service)) {
    const offered = session.services.map(({ name }) => name)
      .filter((name) => name !== EXEC_SERVICE).join(", ");
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
async function awaitAgent(
  link: Link,
  session: DeviceSession,
  wish: Wish,
  ports: ServeOperatorPorts,
  signal: AbortSignal,
): Promise<Arrival> {
  const { tunnelId, service, operator } = wish;
  const { subject } = session;
  const deadlineMs = ports.limits.openTimeoutMs;
  const facts = factsOf(wish, session);
  const returnTicket = await makeReturnTicket("agent", subject, facts, ports);
  const arrival = Promise.withResolvers<Arrival>();
  const ticket = ports.rendezvous.expect(subject, arrival.resolve);
  const left = watchEarlyEnd(link, signal);
  try {
    const [arrived] = await withDeadline(
      (signal) =>
        Promise.all([
          arrival.promise,
          session.open({
            tunnel: tunnelId,
            service,
            operator: operator.principal.name.slice(0, OPERATOR_NAME_MAX_CHARS),
            ticket,
            deadline_ms: deadlineMs,
            ...returnTicket,
          }, signal),
        ]),
      deadlineMs,
      () => timedOut(wish, deadlineMs),
      ports.clock,
      left,
    );
    return arrived;
  } catch (error) {
    // The agent's link may be here although its service is not.
    const fault = Fault.from(error);
    void arrival.promise.then((late) => closeWithFault(late.link, fault));
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

function factsOf(wish: Wish, session: DeviceSession): TunnelFacts {
  const { principal, address } = wish.operator;
  return {
    tunnelId: wish.tunnelId,
    deviceId: wish.deviceId,
    deviceName: session.name,
    service: wish.service,
    instance: session.instance,
    detachMs: session.services.find(({ name }) => name === wish.service)
      ?.detach_ms,
    operatorName: principal.name,
    operatorSubject: principal.subject,
    operatorAddress: address,
    isResumed: false,
  };
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
