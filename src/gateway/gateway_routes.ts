import {
  CONNECT_PATH,
  CONTROL_PATH,
  CONTROL_SUBPROTOCOL,
  RESUME_PATH,
  STREAM_PATH,
  STREAM_SUBPROTOCOL,
} from "../protocol/version.ts";
import type { Link } from "../transport/link.ts";
import type { Visitor } from "../transport/visitor.ts";
import type { Admitted } from "./admit.ts";
import type { Door } from "./door.ts";
import { serveOperator, type ServeOperatorPorts } from "./serve_operator.ts";
import { serveResume } from "./serve_resume.ts";
import { serveSession, type ServeSessionPorts } from "./serve_session.ts";
import { serveStream } from "./serve_stream.ts";
import { ServiceLists } from "./service_lists.ts";
import type { Standing } from "./standing.ts";
import { welcomeAgent } from "./welcome_agent.ts";

/** One kind of link: who may open it, and what serves it. */
export interface Route {
  /** Undefined: none is selected, which is protocol 1. */
  readonly subprotocol: string | undefined;
  /** Undefined: either. */
  readonly role?: "agent" | "operator";
  /** Resolves when the link has ended, or is one that stands. */
  readonly serve: (
    link: Link,
    caller: Admitted,
    visitor: Visitor,
    signal: AbortSignal,
  ) => Promise<Standing | void>;
}

export interface RoutePorts extends ServeSessionPorts, ServeOperatorPorts {
  readonly door: Door;
  /** Counts a tunnel among those that a drain waits for, until it ends. */
  readonly counted: (tunnel: Promise<void>) => Promise<void>;
}

/** Returns the kinds of links of protocol 2, by path. */
export function gatewayRoutes(ports: RoutePorts): ReadonlyMap<string, Route> {
  const { counted, door } = ports;
  const welcomePorts = { ...ports, serviceLists: new ServiceLists() };
  return new Map<string, Route>([
    [CONTROL_PATH, {
      subprotocol: CONTROL_SUBPROTOCOL,
      role: "agent",
      serve: async (link, agent, visitor, signal) => {
        const session = await door.auditing(
          visitor,
          () => welcomeAgent(link, agent, welcomePorts, signal),
        );
        return serveSession(session, agent.certificate, ports, signal);
      },
    }],
    [STREAM_PATH, {
      subprotocol: STREAM_SUBPROTOCOL,
      role: "agent",
      serve: (link, agent, visitor, signal) =>
        counted(door.auditing(visitor, () => {
          const ticket = bearer(visitor.header("authorization"));
          return serveStream(link, agent, ticket, ports, signal);
        })),
    }],
    [RESUME_PATH, {
      subprotocol: STREAM_SUBPROTOCOL,
      serve: (link, caller, visitor, signal) =>
        counted(door.auditing(visitor, () => {
          const token = bearer(visitor.header("authorization"));
          return serveResume(link, caller, token, ports, signal);
        })),
    }],
    [CONNECT_PATH, {
      subprotocol: STREAM_SUBPROTOCOL,
      role: "operator",
      serve: (link, operator, { query }, signal) =>
        counted(serveOperator(link, operator, query, ports, signal)),
    }],
  ]);
}

function bearer(authorization: string | undefined): string {
  // RFC 6750 §2.1; the scheme's name is case-insensitive (RFC 9110 §11.1).
  return /^bearer ([\w.-]+)$/i.exec(authorization ?? "")?.[1] ?? "";
}
