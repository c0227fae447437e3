import type { Clock } from "../base/clock.ts";
import { quoteCommand } from "../protocol/command_words.ts";
import type { ExecOutput } from "../protocol/exec_frame.ts";
import type { ExecExit, ExecStart } from "../protocol/exec_message.ts";
import { Fault } from "../protocol/fault.ts";
import type { ExecCommand, ExecHearer } from "../transport/exec_server.ts";
import type { V1Link } from "../transport/v1_link.ts";
import type { V1Tunnel } from "../transport/v1_tunnel.ts";

export interface V1ExecPorts {
  readonly clock: Clock;
  readonly link: V1Link;
  /** Called once, when nothing more will be heard of it. */
  readonly over: () => void;
}

/** How a process was ended, where Python says minus its number (POSIX XBD). */
const SIGNALS: Readonly<Record<number, string>> = {
  1: "SIGHUP",
  2: "SIGINT",
  3: "SIGQUIT",
  6: "SIGABRT",
  9: "SIGKILL",
  11: "SIGSEGV",
  13: "SIGPIPE",
  15: "SIGTERM",
};

const EXIT_CODE_MAX = 0xffff_ffff;
const OUTPUTS: readonly ExecOutput[] = ["stdout", "stderr"];

/**
 * A command that an agent of protocol 1 runs.
 *
 * What it says shares the agent's link with tunnels, and waits for its reader
 * as theirs does: in a tunnel of its own, of which the agent never hears. Each
 * chunk in it begins with a byte that says which output it is of.
 */
export class V1ExecCommand implements ExecCommand {
  readonly id: string;
  readonly #hearer: ExecHearer;
  readonly #ports: V1ExecPorts;
  readonly #tunnel: V1Tunnel;
  readonly #done = new AbortController();
  #isAbandoned = false;
  #exit: ExecExit | undefined;
  #error: Fault | undefined;

  /** @throws {Fault} If the link has ended. */
  constructor(
    id: string,
    start: ExecStart,
    operator: string,
    hearer: ExecHearer,
    ports: V1ExecPorts,
  ) {
    this.id = id;
    this.#hearer = hearer;
    this.#ports = ports;
    this.#tunnel = ports.link.openTunnel(id);
    this.#tunnel.conceal();
    this.#tunnel.handle({
      data: (chunk) => this.#deliver(chunk),
      end: () => undefined,
      drain: () => undefined,
      closed: (fault) => this.#settle(fault),
    });
    ports.link.say({
      type: "execute_command",
      "exec_id": id,
      command: quoteCommand(start.argv),
      "client_cn": operator,
    });
    if (start.timeout_ms !== undefined) this.#limit(start.timeout_ms);
  }

  // From the agent.

  output(output: ExecOutput, text: string): void {
    const bytes = new TextEncoder().encode(text);
    const chunk = new Uint8Array(bytes.byteLength + 1);
    chunk[0] = OUTPUTS.indexOf(output);
    chunk.set(bytes, 1);
    this.#ports.link.feed(this.id, chunk);
  }

  complete(exitCode: number): void {
    this.#exit = exitOf(exitCode);
    this.#tunnel.closedByPeer();
  }

  error(message: string): void {
    this.#error = new Fault("execRefused", message);
    this.#tunnel.closedByPeer();
  }

  // From the operator.

  pause(): void {
    this.#tunnel.pause();
  }

  resume(): void {
    this.#tunnel.resume();
  }

  stop(): void {
    const message = "The command goes on: its agent cannot be told to end it";
    this.#tunnel.broken(new Fault("tunnelCancelled", message), false);
  }

  abandon(): void {
    this.#isAbandoned = true;
    this.#tunnel.reset();
  }

  #deliver(chunk: Uint8Array): void {
    const output = OUTPUTS[chunk[0] ?? 0] ?? "stdout";
    if (chunk.byteLength > 1) this.#hearer.output(output, chunk.subarray(1));
  }

  #limit(ms: number): void {
    this.#ports.clock.sleep(ms, this.#done.signal).then(
      () =>
        this.#tunnel.broken(
          new Fault("execTimedOut", `The command took over ${ms / 1000} s`),
          false,
        ),
      () => undefined, // It has ended in time.
    );
  }

  #settle(fault: Fault | undefined): void {
    this.#done.abort();
    this.#ports.over();
    if (this.#isAbandoned) return;
    const error = fault ?? this.#error;
    if (error) this.#hearer.failed(error);
    else if (this.#exit) this.#hearer.ended(this.#exit);
    else this.#hearer.failed(new Fault("execRefused", "The agent ended it"));
  }
}

function exitOf(exitCode: number): ExecExit {
  if (exitCode >= 0) return { code: Math.min(exitCode, EXIT_CODE_MAX) };
  const number = Math.min(-exitCode, EXIT_CODE_MAX);
  return { signal: SIGNALS[number] ?? `SIG${number}` };
}
