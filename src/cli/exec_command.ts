import { constants } from "node:os";
import { findDevice } from "../connect/devices.ts";
import { runRemoteCommand } from "../connect/exec.ts";
import {
  EXEC_TIMEOUT_MAX_MS,
  type ExecExit,
  type ExecStart,
  parseExecStart,
} from "../protocol/exec_message.ts";
import { Fault } from "../protocol/fault.ts";
import { parseDeviceRef } from "../protocol/id.ts";
import { ProcessOutput } from "../runtime/process_output.ts";
import { asOperator, type Operator } from "./operator.ts";
import { type Options, textOption } from "./options.ts";
import type { Output } from "./output.ts";

/** What a shell reports for a program that signal n ended (POSIX XCU §2.8.2). */
const SIGNALLED_EXIT_BASE = 128;

/** The largest status that a process can end with (POSIX XSH exit). */
const EXIT_STATUS_MAX = 255;

/** `exec DEVICE -- COMMAND…`: exits as the remote command does. */
export async function runExec(
  device: string,
  argv: readonly string[],
  options: Options,
  output: Output,
): Promise<number> {
  const start = startOf(argv, textOption(options, "timeout"));
  return await asOperator(options, output, async (operator) => {
    const exit = await runThere(device, start, operator);
    if ("signal" in exit) operator.say(`The command ended by ${exit.signal}`);
    return statusOf(exit);
  });
}

/** An id needs no look-up, which saves a handshake. */
async function runThere(
  device: string,
  start: ExecStart,
  operator: Operator,
): Promise<ExecExit> {
  const { ports, signal } = operator;
  const ref = parseDeviceRef(device);
  const deviceId = ref?.tag === "id"
    ? ref.id
    : (await findDevice(device, ports, signal)).id;
  const outlet = new ProcessOutput();
  // A terminal that goes away takes the command with it, as Ctrl-C does.
  const hungUp = new AbortController();
  const onHangUp = () =>
    hungUp.abort(new Fault("tunnelCancelled", "Stopped by SIGHUP"));
  process.once("SIGHUP", onHangUp);
  const cancelled = AbortSignal.any([signal, hungUp.signal]);
  try {
    const there = { ...ports, outlet };
    return await runRemoteCommand(deviceId, start, there, cancelled);
  } finally {
    process.off("SIGHUP", onHangUp);
    await Promise.race([outlet.flushed(), aborted(cancelled)]);
  }
}

/** @throws {Fault} `usageInvalid` for what no device could run. */
function startOf(argv: readonly string[], timeout?: string): ExecStart {
  const start = timeout === undefined
    ? { argv }
    : { argv, timeout_ms: timeoutMsOf(timeout) };
  try {
    return parseExecStart(JSON.stringify(start));
  } catch (cause) {
    throw new Fault(
      "usageInvalid",
      "Cannot send the command: it is empty, or too long",
      { hint: "Write it behind --, as in `exec 7 -- migasfree sync`", cause },
    );
  }
}

function timeoutMsOf(text: string): number {
  const ms = /^\d{1,6}(?:\.\d{1,3})?$/.test(text)
    ? Math.round(Number(text) * 1_000)
    : 0;
  if (ms >= 1 && ms <= EXEC_TIMEOUT_MAX_MS) return ms;
  throw new Fault("usageInvalid", `Cannot read "${text}" as a time limit`, {
    hint: `Give seconds, up to ${EXEC_TIMEOUT_MAX_MS / 1_000}`,
  });
}

function statusOf(exit: ExecExit): number {
  if ("code" in exit) return Math.min(exit.code, EXIT_STATUS_MAX);
  const numbers: Readonly<Record<string, number>> = constants.signals;
  const number = numbers[exit.signal] ?? Number(exit.signal.slice(3));
  return Number.isInteger(number)
    ? Math.min(SIGNALLED_EXIT_BASE + number, EXIT_STATUS_MAX)
    : EXIT_STATUS_MAX;
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) return resolve();
    signal.addEventListener("abort", () => resolve(), { once: true });
  });
}
