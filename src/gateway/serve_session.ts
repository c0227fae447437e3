import { plainText } from "../base/text.ts";
import type { DetachNews } from "../protocol/control.ts";
import { Fault } from "../protocol/fault.ts";
import { DEVICE_NAME_MAX_CHARS } from "../protocol/limits.ts";
import type { PeerCertificate } from "../transport/visitor.ts";
import type { CloneWatch } from "./clone_watch.ts";
import type { DeviceSession, SessionOwner } from "./device_session.ts";
import type { OpenLink, OpenLinks, WatchedCertificate } from "./open_links.ts";
import type { GatewayPorts } from "./ports.ts";
import type { Registry } from "./registry.ts";
import type { Standing } from "./standing.ts";

export interface ServeSessionPorts extends GatewayPorts {
  readonly registry: Registry;
  readonly openLinks: OpenLinks;
  readonly clones: CloneWatch;
  /** Told that a device has come online. */
  readonly attached: () => void;
}

/** Serves an agent that was welcomed, which is online until its link ends. */
export function serveSession(
  session: DeviceSession,
  certificate: PeerCertificate | undefined,
  ports: ServeSessionPorts,
  signal: AbortSignal,
): Standing {
  const online = new OnlineSession(session, certificate, ports);
  online.begin();
  // The end of all sessions has come while this one was welcomed.
  if (signal.aborted) session.end(Fault.from(signal.reason));
  return online;
}

/** All that is kept of an agent that is online, beside its session. */
class OnlineSession implements OpenLink, SessionOwner, Standing {
  readonly certificate: WatchedCertificate | undefined;
  readonly #session: DeviceSession;
  readonly #ports: ServeSessionPorts;
  readonly #startMs: number;
  #held: Disposable | undefined;
  #isOver = false;

  constructor(
    session: DeviceSession,
    certificate: PeerCertificate | undefined,
    ports: ServeSessionPorts,
  ) {
    // Without the subject, which the session has.
    this.certificate = certificate &&
      { notAfterMs: certificate.notAfterMs, raw: certificate.raw };
    this.#session = session;
    this.#ports = ports;
    this.#startMs = ports.clock.now();
  }

  begin(): void {
    const { agentCame, attached, clones, log, openLinks, registry } =
      this.#ports;
    const { address, deviceId: device, protocol } = this.#session;
    openLinks.watch(this);
    void saveServices(this.#session, this.#ports);
    const older = registry.find(device);
    registry.attach(this.#session);
    void clones.attached(this.#session, older);
    attached();
    agentCame?.();
    const name = plainText(this.#session.name, DEVICE_NAME_MAX_CHARS);
    log.info("agent.online", { device, name, address, protocol });
    this.#session.serve(this);
  }

  hold(held: Disposable): void {
    if (this.#isOver) held[Symbol.dispose]();
    else this.#held = held;
  }

  /** Its certificate is no longer good. */
  end(fault: Fault): void {
    const { address, subject } = this.#session;
    const { code } = fault;
    this.#ports.audit.write({ event: "link.revoked", subject, address, code });
    this.#session.end(fault);
  }

  servicesChanged(): void {
    void saveServices(this.#session, this.#ports);
  }

  agentDetached(news: DetachNews): void {
    this.#ports.metrics.agentDetached(news);
  }

  sessionOver(fault: Fault): void {
    this.#ports.openLinks.forget(this);
    void this.#leave(fault);
  }

  /** Never rejects. */
  async #leave({ code }: Fault): Promise<void> {
    const { clock, log, metrics, registry } = this.#ports;
    const session = this.#session;
    // What a newer link of the device has said is not to be overwritten.
    const isNewest = registry.detach(session) && code !== "linkReplaced";
    if (isNewest) await saveServices(session, this.#ports);
    metrics.linkClosed("control", code);
    const ms = Math.round(clock.now() - this.#startMs);
    log.info("agent.offline", { device: session.deviceId, ms, code });
    this.#isOver = true;
    this.#held?.[Symbol.dispose]();
  }
}

/** Never rejects: a link that stands is worth more than when it was seen. */
async function saveServices(
  session: DeviceSession,
  ports: GatewayPorts,
): Promise<void> {
  const nowMs = ports.clock.wallNow();
  const { deviceId: device, services } = session;
  try {
    await ports.store.seen(device, nowMs, services.map(({ name }) => name));
  } catch (error) {
    ports.log.warn("device.unsaved", { device }, error);
  }
}
