import type { Clock } from "../base/clock.ts";
import { Fault } from "../protocol/fault.ts";
import type { V1Tunnel } from "../transport/v1_tunnel.ts";

/** Services whose first word shows that they are there. */
const SPEAKS_FIRST: readonly string[] = ["ssh", "vnc"];

/** An agent says nothing of its success: no bad news for so long is good. */
const SPEAKER_GRACE_MS = 1_000;
const LISTENER_GRACE_MS = 250;

export interface V1ServiceQuestion {
  readonly service: string;
  /** The agent has found its port open, when it looked last. */
  readonly isAdvertised: boolean;
  readonly deadlineMs: number;
}

/**
 * Waits until the service of a tunnel that an agent of protocol 1 was asked
 * for has answered, as far as that can be known: upstream's agent says nothing
 * if it connects, and nothing if it cannot.
 *
 * @throws {Fault} `serviceRefused`.
 * @throws `signal.reason`
 */
export async function awaitV1Service(
  tunnel: V1Tunnel,
  { deadlineMs, isAdvertised, service }: V1ServiceQuestion,
  clock: Clock,
  signal: AbortSignal,
): Promise<void> {
  const isSpeaker = SPEAKS_FIRST.includes(service);
  // Its port was closed: only a word of it shows that it is not any more.
  const mustSpeak = isSpeaker && !isAdvertised;
  const graceMs = isSpeaker ? SPEAKER_GRACE_MS : LISTENER_GRACE_MS;
  const done = new AbortController();
  const wait = clock.sleep(
    mustSpeak ? deadlineMs : Math.min(graceMs, deadlineMs),
    AbortSignal.any([signal, tunnel.over, done.signal]),
  ).then(() => {
    if (mustSpeak) throw refused(service, "is silent, and its port was closed");
  });
  try {
    await Promise.race([tunnel.answered, wait]);
  } catch (error) {
    signal.throwIfAborted();
    throw tunnel.over.aborted ? refused(service, "closed at once") : error;
  } finally {
    done.abort();
    await wait.catch(() => undefined); // Told above, or no longer needed.
  }
}

function refused(service: string, fact: string): Fault {
  return new Fault(
    "serviceRefused",
    `Cannot reach ${service} of the device: it ${fact}`,
    { hint: `Check that its ${service} runs, and its agent's log` },
  );
}
