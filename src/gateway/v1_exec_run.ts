import { splitCommand } from "../protocol/command_words.ts";
import { EXEC_SERVICE, type ExecExit } from "../protocol/exec_message.ts";
import { Fault } from "../protocol/fault.ts";
import { CLOSE_TIMEOUT_MS } from "../protocol/limits.ts";
import { CONNECT_PATH } from "../protocol/version.ts";
import { ExecClient, type ExecOutlet } from "../transport/exec_client.ts";
import type { Admitted } from "./admit.ts";
import { runV1Stream, type V1StreamPorts } from "./v1_stream.ts";

/** How long a command whose operator has left may take to end. */
const CANCEL_TIMEOUT_MS = 5_000;

/** A shell says 128 and the number; Python, and so upstream, minus it. */
const SIGNAL_NUMBERS: Readonly<Record<string, number>> = {
  SIGHUP: 1,
  SIGINT: 2,
  SIGQUIT: 3,
  SIGABRT: 6,
  SIGKILL: 9,
  SIGSEGV: 11,
  SIGPIPE: 13,
  SIGTERM: 15,
};

export interface V1ExecRequest {
  readonly deviceId: number;
  readonly command: string;
  readonly operator: Admitted;
  readonly outlet: ExecOutlet;
  /** The device has been asked. */
  readonly started: () => void;
}

/**
 * Runs a command for an operator of protocol 1. Returns its exit code once all
 * of its output was taken.
 *
 * @param left Aborts when the operator has left: the device is told to end it.
 * @throws {Fault} Why there is no exit code.
 */
export async function runV1Exec(
  request: V1ExecRequest,
  ports: V1StreamPorts,
  left: AbortSignal,
  signal: AbortSignal,
): Promise<number> {
  const { clock, dialSelf } = ports;
  const argv = splitCommand(request.command);
  if (argv.length === 0) throw new Fault("messageInvalid", "Empty command");
  const client = new ExecClient({ argv }, request.outlet);
  const stop = new AbortController();
  const stopAfter = (ms: number, fault: Fault) =>
    void clock.sleep(ms, stop.signal).then(
      () => stop.abort(fault),
      () => undefined, // It came to its end by itself.
    );
  const cancel = () =>
    stopAfter(client.cancel() ? CANCEL_TIMEOUT_MS : 0, leftFault());
  left.addEventListener("abort", cancel, { once: true });
  if (left.aborted) cancel();
  const query = new URLSearchParams({
    device: String(request.deviceId),
    service: EXEC_SERVICE,
  });
  const running = runV1Stream(
    {
      socket: client,
      link: dialSelf({ path: CONNECT_PATH, query }, request.operator),
      caller: request.operator,
      joined: request.started,
      over: new AbortController().signal,
      farewellMs: 0,
    },
    ports,
    AbortSignal.any([signal, stop.signal]),
  );
  void client.finished.then(() => stopAfter(CLOSE_TIMEOUT_MS, leftFault()));
  const result = await running;
  stop.abort();
  left.removeEventListener("abort", cancel);
  const last = client.result;
  if (last?.type === "exit") return exitCodeOf(last.exit);
  if (last) throw new Fault(last.error.code, last.error.message);
  throw result.fault ??
    new Fault("messageInvalid", "The device did not say how it ended");
}

function exitCodeOf(exit: ExecExit): number {
  if ("code" in exit) return exit.code;
  const digits = /^SIG(\d+)$/.exec(exit.signal)?.[1];
  return -(SIGNAL_NUMBERS[exit.signal] ?? Number(digits ?? 1));
}

function leftFault(): Fault {
  return new Fault("tunnelCancelled", "The operator has left");
}
