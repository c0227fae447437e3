import { Fault } from "../protocol/fault.ts";
import { RESUME_PATH } from "../protocol/version.ts";
import type { WindowBudget } from "../stream/window_budget.ts";
import type { ByteSocket } from "../transport/byte_socket.ts";
import type { Link } from "../transport/link.ts";
import type { UnreadBytes } from "../transport/unread_bytes.ts";
import { runStream } from "../transport/stream_link.ts";
import type { StreamResult } from "../transport/stream_ports.ts";
import type { ResumePorts } from "../transport/way_back.ts";
import type { Admitted } from "./admit.ts";
import type { GatewayPorts } from "./ports.ts";
import type { SelfDial } from "./self_dial.ts";

/** How long an end that is complete stays for the other one. */
const LINGER_MS = 10_000;

export interface V1StreamPorts extends GatewayPorts {
  readonly budget: WindowBudget;
  /** What the links of protocol 1 hold for readers that are slow. */
  readonly unread: UnreadBytes;
  readonly dialSelf: SelfDial;
}

/** The end of a stream that the gateway is for somebody of protocol 1. */
export interface V1StreamEnd {
  readonly socket: ByteSocket;
  /** Its link to our own door. */
  readonly link: Link;
  /** In whose place. */
  readonly caller: Admitted;
  /** Called once, when the two ends were joined. */
  readonly joined: () => void;
  /** Aborts when the tunnel of protocol 1, and so both directions, is over. */
  readonly over: AbortSignal;
  /** How long the stream may then go on for the other end's sake. */
  readonly farewellMs: number;
}

/**
 * Runs one end of a stream in this process, as an agent or an operator of
 * protocol 2 would. Never rejects. The other end may lose its link and come
 * back: then this one comes back, too.
 */
export async function runV1Stream(
  end: V1StreamEnd,
  ports: V1StreamPorts,
  signal: AbortSignal,
): Promise<StreamResult> {
  const { clock } = ports;
  const done = new AbortController();
  const tooLong = new AbortController();
  const farewell = () =>
    void clock.sleep(end.farewellMs, done.signal).then(
      () => tooLong.abort(new Fault("peerGone", "The tunnel was closed")),
      () => undefined, // The stream has come to its own end.
    );
  if (end.over.aborted) farewell();
  else end.over.addEventListener("abort", farewell, { once: true });
  const result = await runStream(
    end.socket,
    end.link,
    {
      ...ports,
      joined: () => end.joined(),
      resume: resumePorts(end.caller, ports),
    },
    AbortSignal.any([signal, tooLong.signal]),
  );
  done.abort();
  return result;
}

function resumePorts(
  caller: Admitted,
  { dialSelf }: V1StreamPorts,
): ResumePorts {
  return {
    // One process: nobody else tries at the same moment.
    random: () => 1,
    lingerMs: LINGER_MS,
    dial: (token) =>
      Promise.resolve(dialSelf({ path: RESUME_PATH, bearer: token }, caller)),
    // Whoever relays the tunnel writes both down.
    lost: () => undefined,
    back: () => undefined,
  };
}
