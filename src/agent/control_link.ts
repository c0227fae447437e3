import { withDeadline } from "../base/deadline.ts";
import { Scope } from "../base/scope.ts";
import {
  type DetachNews,
  type FromGateway,
  type Hello,
  type Open,
  parseFromGateway,
  type Service,
  type Welcome,
} from "../protocol/control.ts";
import { Fault } from "../protocol/fault.ts";
import { CLOSE_TIMEOUT_MS, HELLO_TIMEOUT_MS } from "../protocol/limits.ts";
import { PROTOCOL_VERSION } from "../protocol/version.ts";
import type { Link } from "../transport/link.ts";
import { closeWithFault } from "../transport/link_end.ts";
import { MessageReader } from "../transport/message_reader.ts";
import { ATTEMPT_MAX_MS } from "../transport/supervise.ts";
import type { DialedGateway } from "./gateway_dial.ts";
import type { AgentPorts, AgentSettings } from "./ports.ts";
import { lookAtServices, watchServices } from "./services.ts";

/** What a control link asks of the agent that it serves. */
export interface ControlHandlers {
  /** The gateway has let us in. */
  readonly welcomed: (welcome: Welcome, gatewayUrl: string) => void;
  /** Begins a tunnel; `reply` says over this link what became of it. */
  readonly open: (
    open: Open,
    gatewayUrl: string,
    reply: (message: object) => void,
  ) => void;
  /** The operator has left before its tunnel was open. */
  readonly cancel: (tunnelId: string) => void;
  /** What the next heartbeat is to tell the gateway, if anything. */
  readonly news: () => DetachNews | undefined;
}

/**
 * Serves one control link that was just dialed until it ends.
 *
 * @throws {Fault} Why it ended, always: the caller decides when to dial again.
 * @throws `signal.reason` once aborted, after the gateway has been told.
 */
export async function serveControlLink(
  { gatewayUrl, link }: DialedGateway,
  settings: AgentSettings,
  ports: AgentPorts,
  handlers: ControlHandlers,
  signal: AbortSignal,
): Promise<never> {
  let heard: () => void = () => {};
  const reader = new MessageReader(link, () => heard());
  try {
    const services = await lookAtServices(settings.services, ports);
    link.send(JSON.stringify(helloOf(settings, services)));
    const welcome = await readWelcome(reader, ports, signal);
    handlers.welcomed(welcome, gatewayUrl);
    await using scope = new Scope(signal);
    heard = beginHeartbeats(link, welcome, handlers, ports, scope);
    heard();
    scope.go((signal) =>
      watchServices(services, settings.services, ports, (services) => {
        link.send(JSON.stringify({ type: "services", services }));
      }, signal)
    );
    scope.go(async (signal) => {
      await ports.identityChanged(signal);
      throw new Fault(
        "identityChanged",
        "The certificate on disk has changed",
        {
          returnWithinMs: 0,
        },
      );
    });
    for (;;) {
      const message = parseFromGateway(await reader.next(scope.signal));
      take(message, link, handlers, gatewayUrl);
    }
  } catch (error) {
    const fault = Fault.from(signal.aborted ? signal.reason : error);
    closeWithFault(link, fault);
    await farewell(reader, ports);
    throw fault;
  }
}

function helloOf(settings: AgentSettings, services: Service[]): Hello {
  return {
    type: "hello",
    versions: [PROTOCOL_VERSION],
    software: settings.software,
    device: { id: settings.deviceId, name: settings.name },
    services,
    instance: settings.instance,
  };
}

async function readWelcome(
  reader: MessageReader,
  ports: AgentPorts,
  signal: AbortSignal,
): Promise<Welcome> {
  const text = await withDeadline(
    (signal) => reader.next(signal),
    HELLO_TIMEOUT_MS,
    () => new Fault("linkSilent", "The gateway did not answer our hello"),
    ports.clock,
    signal,
  );
  const message = parseFromGateway(text);
  if (message.type !== "welcome") {
    throw new Fault("messageUnexpected", "Cannot begin without a welcome");
  }
  if (message.version !== PROTOCOL_VERSION) {
    throw new Fault(
      "versionUnsupported",
      `Cannot speak version ${message.version} of the protocol`,
      { hint: "Upgrade the older side" },
    );
  }
  return message;
}

function beginHeartbeats(
  link: Link,
  welcome: Welcome,
  { news }: ControlHandlers,
  ports: AgentPorts,
  scope: Scope,
): () => void {
  const { promise: silence, reject } = Promise.withResolvers<never>();
  const watch = ports.heartbeats.watch({
    beat: (echo) => {
      const message = { type: "heartbeat", detaches: news() };
      link.send(JSON.stringify(echo ? { ...message, echo } : message));
    },
    paused: () => false,
    silent: (silentMs) => {
      const seconds = Math.round(silentMs / 1000);
      reject(
        new Fault("linkSilent", `The gateway was silent for ${seconds} s`),
      );
      link.terminate();
    },
  }, welcome.heartbeat);
  scope.own({
    [Symbol.asyncDispose]: () => Promise.resolve(watch.stop()),
  });
  scope.go((signal) => {
    // Whichever comes first; a silence nobody waits for is nobody's error.
    signal.addEventListener("abort", () => reject(signal.reason), {
      once: true,
    });
    return silence;
  });
  // The silence that ends a link, a sleep's probe, and the goodbye.
  const { timeout_ms: silenceMaxMs } = welcome.heartbeat;
  const quietMaxMs = silenceMaxMs + ATTEMPT_MAX_MS;
  return () => {
    watch.heard();
    ports.progress?.step(quietMaxMs);
  };
}

/** @throws {Fault} `messageUnexpected`, or `gatewayDraining` when asked to go. */
function take(
  message: FromGateway,
  link: Link,
  handlers: ControlHandlers,
  gatewayUrl: string,
): void {
  switch (message.type) {
    case "welcome":
      throw new Fault("messageUnexpected", "Cannot be welcomed twice");
    case "open":
      return handlers.open(message, gatewayUrl, (reply) => {
        link.send(JSON.stringify(reply));
      });
    case "cancel":
      return handlers.cancel(message.tunnel);
    case "drain":
      throw new Fault("gatewayDraining", "The gateway asked us to come back", {
        // 0 is for what we do ourselves: nobody else may make us spin.
        returnWithinMs: Math.max(1_000, message.reconnect_within_ms),
      });
    case "heartbeat":
      // Whoever asks and does not read has enough to hear.
      if (message.echo && link.bufferedBytes === 0) {
        link.send(JSON.stringify({ type: "heartbeat" }));
      }
      return;
    default:
      return message satisfies never;
  }
}

/** Waits until the link has closed, so that the goodbye is on its way. */
async function farewell(
  reader: MessageReader,
  ports: AgentPorts,
): Promise<void> {
  const never = new AbortController().signal;
  const closed = async (signal: AbortSignal) => {
    for (;;) await reader.next(signal);
  };
  // Its end is what we wait for: why it ended has been said already.
  await withDeadline(
    closed,
    CLOSE_TIMEOUT_MS,
    () => new Fault("linkLost", "The gateway did not say goodbye"),
    ports.clock,
    never,
  ).catch(() => undefined);
}
