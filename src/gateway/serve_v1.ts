import { withDeadline } from "../base/deadline.ts";
import { Fault } from "../protocol/fault.ts";
import { HELLO_TIMEOUT_MS } from "../protocol/limits.ts";
import { parseV1Message } from "../protocol/v1_message.ts";
import type { Link } from "../transport/link.ts";
import { faultOfEnd } from "../transport/link_end.ts";
import type { Admitted } from "./admit.ts";
import { claimDevice } from "./claim_device.ts";
import { nobody } from "./nobody.ts";
import { serveSession, type ServeSessionPorts } from "./serve_session.ts";
import type { Standing } from "./standing.ts";
import { V1AgentSession, type V1Register } from "./v1_agent_session.ts";
import { V1OperatorSession } from "./v1_operator_session.ts";
import type { V1StreamPorts } from "./v1_stream.ts";

export interface ServeV1Ports extends ServeSessionPorts, V1StreamPorts {
  /** The agents that are online, as upstream's relay lists them. */
  readonly listAgents: () => Promise<readonly object[]>;
  readonly isOnline: (deviceId: number) => Promise<boolean>;
  /** Writes down that the caller wanted what it may not. */
  readonly linkRefused: (fault: Fault) => void;
}

/**
 * Serves one link of an agent or an operator that speaks protocol 1. What it may be is decided by its certificate, and its first message
 * must fit that.
 *
 * @throws {Fault} If it was never let in; it has heard why, and the caller
 * closes the link.
 */
export async function serveV1(
  link: Link,
  caller: Admitted,
  ports: ServeV1Ports,
  signal: AbortSignal,
): Promise<Standing | void> {
  try {
    return await meet(link, caller, ports, signal);
  } catch (error) {
    const { message } = Fault.from(error);
    link.send(JSON.stringify({ type: "error", message }));
    throw error;
  }
}

/** Begins by what is said first, in the same turn: nothing is lost. */
async function meet(
  link: Link,
  caller: Admitted,
  ports: ServeV1Ports,
  signal: AbortSignal,
): Promise<Standing | void> {
  const first = Promise.withResolvers<() => Promise<Standing | void>>();
  let isFirst = true;
  link.handle({
    message: (message) => {
      if (!isFirst) return; // It was refused, and is about to hear it.
      isFirst = false;
      try {
        first.resolve(begin(message, link, caller, ports, signal));
      } catch (error) {
        first.reject(error);
      }
    },
    drain: () => undefined,
    closed: (end) => first.reject(faultOfEnd(end)),
  });
  const serve = await withDeadline(
    () => first.promise,
    HELLO_TIMEOUT_MS,
    () => new Fault("linkSilent", "Cannot serve who says nothing"),
    ports.clock,
    signal,
  );
  return await serve();
}

/** @throws {Fault} `roleRefused`, `messageInvalid`. */
function begin(
  message: string | Uint8Array,
  link: Link,
  admitted: Admitted,
  ports: ServeV1Ports,
  signal: AbortSignal,
): () => Promise<Standing | void> {
  const first = parseV1Message(message);
  const caller = admitted.isNobody && first.type === "register_agent"
    ? nobody(admitted.address, "agent", first.id)
    : admitted;
  if (caller.principal.role === "operator") {
    if (first.type === "register_agent") throw notAnAgent();
    const session = new V1OperatorSession(link, caller, ports, signal);
    session.message(message);
    return () => serveOperator(session, caller, ports);
  }
  if (first.type !== "register_agent") throw notAnOperator(first.type);
  const session = new V1AgentSession(link, first, caller, ports, signal);
  return () => serveAgent(session, first, caller, ports, signal);
}

async function serveAgent(
  session: V1AgentSession,
  { id }: V1Register,
  agent: Admitted,
  ports: ServeV1Ports,
  signal: AbortSignal,
): Promise<Standing> {
  await claimDevice({ id, name: session.name }, agent, ports);
  session.welcome();
  return serveSession(session, agent.certificate, ports, signal);
}

async function serveOperator(
  session: V1OperatorSession,
  operator: Admitted,
  ports: ServeV1Ports,
): Promise<void> {
  using _watched = ports.openLinks.add(operator.certificate, (fault) => {
    ports.audit.write({
      event: "link.revoked",
      subject: operator.principal.subject,
      address: operator.address,
      code: fault.code,
    });
    session.end(fault);
  });
  await session.serve();
}

function notAnAgent(): Fault {
  return new Fault(
    "roleRefused",
    "Cannot register as an agent: the certificate is an operator's",
    { hint: "Use a certificate with OU=COMPUTERS" },
  );
}

function notAnOperator(type: string): Fault {
  return type === "ignored"
    ? new Fault("messageInvalid", "Cannot begin without register_agent")
    : new Fault(
      "roleRefused",
      `Cannot take "${type}": the certificate is an agent's`,
      { hint: "Use a certificate with OU=ADMINS" },
    );
}
