import { Fault } from "../protocol/fault.ts";
import type { ResumeTokens } from "../protocol/resume_token.ts";
import type { Joined } from "../protocol/stream_message.ts";
import type { Link } from "../transport/link.ts";
import type { Admitted } from "./admit.ts";
import type { End, Meetings } from "./meetings.ts";
import type { OpenLinks } from "./open_links.ts";
import type { GatewayPorts } from "./ports.ts";
import { relay, type RelayResult } from "./relay.ts";
import { makeReturnTicket, type ReturnFacts } from "./return_ticket.ts";

export interface RelayTunnelPorts extends GatewayPorts {
  readonly openLinks: OpenLinks;
  readonly meetings: Meetings;
  readonly resumeTokens: ResumeTokens;
}

/** What a tunnel joins, as far as log and audit go. */
export interface TunnelFacts extends ReturnFacts {
  readonly deviceName: string;
  readonly operatorAddress: string;
  /** True: its two ends have met again. */
  readonly isResumed: boolean;
}

/** One of the two links, and who came over it. */
export interface TunnelEnd {
  readonly link: Link;
  readonly caller: Admitted;
}

/**
 * Joins the two ends of a tunnel, forwards until their links end, and writes
 * down how that was. Owns both links.
 */
export async function relayTunnel(
  facts: TunnelFacts,
  ends: Readonly<Record<End, TunnelEnd>>,
  ports: RelayTunnelPorts,
  signal: AbortSignal,
): Promise<void> {
  const { clock, heartbeats, heartbeat, metrics } = ports;
  const { agent, operator } = ends;
  const joined = await joinedOf(facts, ends, ports);
  const cut = new AbortController();
  const end = (fault: Fault) => cut.abort(fault);
  using _operator = ports.openLinks.add(operator.caller.certificate, end);
  using _agent = ports.openLinks.add(agent.caller.certificate, end);
  const over = ports.meetings.relaying(facts.tunnelId, end);
  using _held = ports.cluster?.routes.hold(
    facts.tunnelId,
    () => ports.meetings.isFinished(facts.tunnelId),
  );
  const startMs = clock.now();
  const startedAtMs = clock.wallNow();
  reportOpened(facts, ports);
  metrics.tunnelsOpen(1);
  ports.tunnelOpened?.();
  const either = AbortSignal.any([signal, cut.signal]);
  const relaying = relay(
    operator.link,
    agent.link,
    heartbeats,
    heartbeat,
    either,
  );
  operator.link.send(JSON.stringify(joined.operator));
  agent.link.send(JSON.stringify(joined.agent));
  const result = await relaying;
  metrics.tunnelsOpen(-1);
  over(result.isFinished);
  const ms = Math.round(clock.now() - startMs);
  reportClosed(facts, result, { ms, startedAtMs }, ports);
}

async function joinedOf(
  facts: TunnelFacts,
  ends: Readonly<Record<End, TunnelEnd>>,
  ports: RelayTunnelPorts,
): Promise<Record<End, Joined>> {
  const { heartbeat } = ports;
  const joined = async (role: End): Promise<Joined> => {
    const { subject } = ends[role].caller.principal;
    const ticket = await makeReturnTicket(role, subject, facts, ports);
    return { type: "joined", tunnel: facts.tunnelId, heartbeat, ...ticket };
  };
  const [agent, operator] = await Promise.all([
    joined("agent"),
    joined("operator"),
  ]);
  return { agent, operator };
}

function reportOpened(facts: TunnelFacts, ports: RelayTunnelPorts): void {
  const log = {
    tunnelId: facts.tunnelId,
    operator: facts.operatorName,
    address: facts.operatorAddress,
    device: facts.deviceId,
    service: facts.service,
  };
  ports.log.info(facts.isResumed ? "tunnel.resume" : "tunnel.open", log);
  ports.audit.write({
    event: facts.isResumed ? "tunnel.resumed" : "tunnel.opened",
    ...auditFields(facts),
  });
}

function reportClosed(
  facts: TunnelFacts,
  result: RelayResult,
  times: { readonly ms: number; readonly startedAtMs: number },
  ports: RelayTunnelPorts,
): void {
  const code = result.fault?.code ?? "ok";
  const bytes = { bytesUp: result.upBytes, bytesDown: result.downBytes };
  const { tunnelId } = facts;
  ports.metrics.streamBytes("up", result.upBytes);
  ports.metrics.streamBytes("down", result.downBytes);
  ports.metrics.linkClosed("stream", code);
  ports.log.info("tunnel.close", { tunnelId, ms: times.ms, ...bytes, code });
  ports.audit.write({
    event: "tunnel.closed",
    ...auditFields(facts),
    startedAt: new Date(times.startedAtMs).toISOString(),
    ms: times.ms,
    ...bytes,
    code,
  });
}

function auditFields(facts: TunnelFacts) {
  return {
    tunnelId: facts.tunnelId,
    operator: facts.operatorName,
    operatorSubject: facts.operatorSubject,
    address: facts.operatorAddress,
    deviceId: facts.deviceId,
    service: facts.service,
    deviceName: facts.deviceName,
  };
}
