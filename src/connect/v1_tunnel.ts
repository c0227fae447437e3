import { Fault } from "../protocol/fault.ts";
import type {
  ByteSocket,
  ByteSocketHandlers,
} from "../transport/byte_socket.ts";
import { type JoinResult, joinSockets } from "../transport/join_sockets.ts";
import type { V1Tunnel } from "../transport/v1_tunnel.ts";
import type { TunnelTarget } from "./open_tunnel.ts";
import type { OperatorPorts } from "./ports.ts";
import { v1Id, V1Session } from "./v1_session.ts";

/**
 * How long the service may take to say its first byte. "Started" means only
 * that the relay has asked: an agent of migasfree 5 says nothing when its
 * service cannot be reached.
 */
const FIRST_BYTE_TIMEOUT_MS = 15_000;

/** Services that speak first, or answer the first that is said. */
const SPEAKS_FIRST: readonly string[] = ["ssh", "vnc"];
const ANSWERS_FIRST: readonly string[] = ["rdp"];

/**
 * Opens a tunnel at the relay of a migasfree 5 site and carries the bytes of
 * `socket` through it until one side ends. Owns `socket`.
 *
 * @param started Called when the relay has asked the agent.
 * @throws {Fault} Why it could not be opened, or how it broke off: protocol 1
 * cannot resume.
 */
export async function runV1Tunnel(
  target: TunnelTarget,
  socket: ByteSocket,
  ports: OperatorPorts,
  started: () => void,
  signal: AbortSignal,
): Promise<JoinResult> {
  const { deviceId, service } = target;
  const { session, answer: tunnel } = await V1Session.begin(
    deviceId,
    "tcp_tunnel",
    ports,
    (session, signal) => start(session, service, ports, signal),
    signal,
  ).catch((error: unknown) => {
    socket.reset();
    throw error;
  });
  try {
    started();
    const silence = new FirstByte(tunnel, service, ports, signal);
    const result = await joinSockets(
      silence.watch(socket),
      tunnel,
      ports.clock,
      silence.signal,
    );
    silence.stop();
    const fault = result.fault ?? silence.fault(result);
    if (fault) throw fault;
    return result;
  } finally {
    await session.leave();
  }
}

async function start(
  session: V1Session,
  service: string,
  ports: OperatorPorts,
  signal: AbortSignal,
): Promise<V1Tunnel> {
  const tunnelId = v1Id("cli");
  const tunnel = session.link.openTunnel(tunnelId);
  session.link.say({
    type: "start_tcp_tunnel",
    id: session.deviceId,
    "tunnel_id": tunnelId,
    service,
    "client_cn": await ports.commonName() ?? null,
  });
  await session.answer(
    (message) => message.type === "tunnel_started" || undefined,
    AbortSignal.any([signal, tunnel.over]),
  );
  return tunnel;
}

/** Notices a service that never answers, or ends before it has said a word. */
class FirstByte {
  readonly signal: AbortSignal;
  readonly #tunnel: V1Tunnel;
  readonly #service: string;
  readonly #ports: OperatorPorts;
  readonly #late = new AbortController();
  readonly #done = new AbortController();

  constructor(
    tunnel: V1Tunnel,
    service: string,
    ports: OperatorPorts,
    signal: AbortSignal,
  ) {
    this.#tunnel = tunnel;
    this.#service = service;
    this.#ports = ports;
    this.signal = AbortSignal.any([signal, this.#late.signal]);
  }

  /** Returns `socket`, with an ear at what is written to it. */
  watch(socket: ByteSocket): ByteSocket {
    if (SPEAKS_FIRST.includes(this.#service)) this.#begin();
    const isAsked = ANSWERS_FIRST.includes(this.#service);
    return {
      handle: (handlers) =>
        socket.handle(isAsked ? this.#listen(handlers) : handlers),
      write: (chunk) => {
        this.stop();
        return socket.write(chunk);
      },
      end: () => socket.end(),
      reset: () => socket.reset(),
      pause: () => socket.pause(),
      resume: () => socket.resume(),
    };
  }

  stop(): void {
    this.#done.abort();
  }

  /** Returns what it means that the tunnel has ended so. */
  fault({ receivedBytes }: JoinResult): Fault | undefined {
    const isKnown = [...SPEAKS_FIRST, ...ANSWERS_FIRST].includes(this.#service);
    if (receivedBytes > 0 || !isKnown || !this.#tunnel.isClosedByPeer) {
      return undefined;
    }
    return new Fault(
      "serviceRefused",
      `The device closed the tunnel before its ${this.#service} answered`,
      { hint: `Check that its ${this.#service} runs, and its agent's log` },
    );
  }

  #listen(handlers: ByteSocketHandlers): ByteSocketHandlers {
    return {
      ...handlers,
      data: (chunk) => {
        this.#begin();
        handlers.data(chunk);
      },
    };
  }

  #begin(): void {
    if (this.#done.signal.aborted || this.#hasBegun) return;
    this.#hasBegun = true;
    void this.#ports.clock.sleep(FIRST_BYTE_TIMEOUT_MS, this.#done.signal).then(
      () => this.#late.abort(this.#tooLate()),
      () => undefined, // It has spoken.
    );
  }

  #hasBegun = false;

  #tooLate(): Fault {
    const seconds = FIRST_BYTE_TIMEOUT_MS / 1_000;
    return new Fault(
      "openTimedOut",
      `The device's ${this.#service} said nothing in ${seconds} s`,
      { hint: `Check that its ${this.#service} runs, and its agent's log` },
    );
  }
}
