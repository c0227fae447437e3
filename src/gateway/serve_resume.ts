import { Fault } from "../protocol/fault.ts";
import { MEETING_TIMEOUT_MS } from "../protocol/limits.ts";
import type { ResumeClaims } from "../protocol/resume_token.ts";
import type { Link } from "../transport/link.ts";
import {
  closeNormally,
  closeWithFault,
  faultOfEnd,
} from "../transport/link_end.ts";
import type { Admitted } from "./admit.ts";
import type { End, Returned } from "./meetings.ts";
import { claimant } from "./nobody.ts";
import type { Registry } from "./registry.ts";
import {
  relayTunnel,
  type RelayTunnelPorts,
  type TunnelFacts,
} from "./relay_tunnel.ts";

export interface ServeResumePorts extends RelayTunnelPorts {
  readonly registry: Registry;
}

/**
 * Serves an end of a tunnel that comes back over a new link: waits for the
 * other end, and forwards between the two as before.
 *
 * @throws {Fault} `ticketInvalid` if the token is not this caller's;
 * `openTimedOut` if the other end does not come; the caller closes the link.
 */
export async function serveResume(
  link: Link,
  admitted: Admitted,
  token: string,
  ports: ServeResumePorts,
  signal: AbortSignal,
): Promise<void> {
  const claims = await ports.resumeTokens.read(token);
  const caller = claimant(admitted, claims);
  if (!caller) {
    throw new Fault("ticketInvalid", "Cannot resume: the token is another's", {
      hint: "Open a new tunnel",
    });
  }
  // Its other end has heard all, and has said goodbye.
  if (ports.meetings.isFinished(claims.tunnel)) return closeNormally(link);
  checkInstance(claims, ports);
  const { cluster, openLinks } = ports;
  if (cluster) {
    const arrived = { link, caller, openLinks };
    const { tunnel } = claims;
    if (await cluster.routes.resume(arrived, tunnel, token, signal)) return;
  }
  using _held = cluster?.routes.hold(
    claims.tunnel,
    () => ports.meetings.isFinished(claims.tunnel),
  );
  await checkElsewhere(claims, ports);
  const self = { link, caller };
  const other = await waitForOther(claims, self, ports, signal);
  if (!other) return;
  ports.metrics.tunnelResumed(claims.service);
  const ends: Record<End, Returned> = claims.role === "agent"
    ? { agent: self, operator: other }
    : { agent: other, operator: self };
  await relayTunnel(await factsOf(claims, ends, ports), ends, ports, signal);
}

/** @throws {Fault} `agentStopping` if the agent's end cannot come any more. */
function checkInstance(claims: ResumeClaims, ports: ServeResumePorts): void {
  checkSame(ports.registry.find(claims.device)?.instance, claims.instance);
}

function checkSame(now: string | undefined, claimed: string | undefined): void {
  if (now === undefined || claimed === undefined) return;
  if (now === claimed) return;
  throw new Fault(
    "agentStopping",
    "The agent was restarted: the session is lost",
    {
      hint: "Open a new tunnel",
    },
  );
}

/** As above, if the agent's newest link is at another gateway. */
async function checkElsewhere(
  claims: ResumeClaims,
  ports: ServeResumePorts,
): Promise<void> {
  if (!ports.cluster || ports.registry.find(claims.device)) return;
  const now = await ports.cluster.routes.instanceOf(claims.device);
  if (now !== undefined) checkSame(now, claims.instance);
}

async function waitForOther(
  claims: ResumeClaims,
  self: Returned,
  ports: ServeResumePorts,
  signal: AbortSignal,
): Promise<Returned | undefined> {
  const gone = new AbortController();
  self.link.handle({
    message: () =>
      gone.abort(
        new Fault("messageUnexpected", "Cannot begin without being joined"),
      ),
    drain: () => undefined,
    closed: (end) => gone.abort(faultOfEnd(end)),
  });
  const either = AbortSignal.any([signal, gone.signal]);
  const timer = ports.clock.sleep(MEETING_TIMEOUT_MS, either).then(
    () => {
      ports.metrics.resumeExpired();
      gone.abort(new Fault("openTimedOut", "The other end is not back yet"));
    },
    () => undefined, // It came, or this one has gone.
  );
  const recheck = () => {
    try {
      checkInstance(claims, ports);
    } catch (error) {
      gone.abort(error);
    }
  };
  const { tunnel, role } = claims;
  ports.metrics.endsWaiting(1);
  const other = await ports.meetings.meet(tunnel, role, self, recheck, either);
  ports.metrics.endsWaiting(-1);
  if (either.aborted) closeWithFault(self.link, Fault.from(either.reason));
  else gone.abort();
  await timer;
  return other;
}

async function factsOf(
  claims: ResumeClaims,
  ends: Readonly<Record<End, Returned>>,
  ports: ServeResumePorts,
): Promise<TunnelFacts> {
  const device = await ports.store.find(claims.device);
  return {
    tunnelId: claims.tunnel,
    deviceId: claims.device,
    deviceName: device?.name ?? "",
    service: claims.service,
    instance: claims.instance,
    detachMs: claims.detach_ms,
    operatorName: claims.operator,
    operatorSubject: claims.operator_subject,
    operatorAddress: ends.operator.caller.address,
    isResumed: true,
  };
}
