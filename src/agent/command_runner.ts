import type { Clock } from "../base/clock.ts";
import type { Log } from "../base/log.ts";
import type { ExecOutput } from "../protocol/exec_frame.ts";
import type { ExecExit } from "../protocol/exec_message.ts";
import { Fault } from "../protocol/fault.ts";
import { checkCommand, type ExecRules, showCommand } from "./exec.ts";
import type { ServiceCaller } from "./ports.ts";

/** What a command does of its own, in order. */
interface CommandSink {
  /** The hearer may keep `chunk`. Not called while paused. */
  output(output: ExecOutput, chunk: Uint8Array): void;
  /** The last call, once: all of its output has been told. */
  ended(exit: ExecExit): void;
}

/** A command that runs, with all that it has started in its process group. */
export interface RunningCommand {
  /** Reads no more: once its pipes are full, the command waits. */
  pause(): void;
  resume(): void;
  /** Ends it, kindly at first; may be called again. */
  stop(): void;
  /** Ends it, and forgets what it has still to say. */
  abandon(): void;
  /** Resolves when it has gone and, if it was to end, its group as well. */
  readonly gone: Promise<void>;
}

export interface CommandPorts {
  readonly clock: Clock;
  readonly log: Log;
  /** Starts a program without a shell or input. @throws {Fault} `programMissing`. */
  readonly startCommand: (
    argv: readonly string[],
    sink: CommandSink,
  ) => RunningCommand;
}

/** What is to be run, and for how long at most. */
export interface CommandOrder {
  readonly argv: readonly string[];
  /** Undefined: as long as the agent allows. */
  readonly timeoutMs?: number | undefined;
}

/** Who hears of a command: as its sink, or why there is no exit status. */
export interface CommandOwner extends CommandSink {
  /** The last call instead of `ended`. */
  failed(fault: Fault): void;
}

/** Runs the commands that the agent's own rules allow, and no others. */
export class CommandRunner implements AsyncDisposable {
  readonly #rules: ExecRules;
  readonly #ports: CommandPorts;
  readonly #running = new Set<RunningCommand>();
  #isStopping = false;

  constructor(rules: ExecRules, ports: CommandPorts) {
    this.#rules = rules;
    this.#ports = ports;
  }

  /**
   * Starts a command. The log gets one line now and one when it has ended.
   *
   * @throws {Fault} `execRefused`, `quotaExceeded`, `programMissing`,
   * `agentStopping`; then the log has one line.
   */
  run(
    order: CommandOrder,
    caller: ServiceCaller,
    owner: CommandOwner,
  ): RunningCommand {
    const { log } = this.#ports;
    const { tunnelId, operator } = caller;
    const argv = showCommand(order.argv);
    try {
      this.#admit(order.argv, argv);
      const command = this.#start(order, caller, owner);
      log.info("exec.start", { tunnelId, operator, argv });
      return command;
    } catch (error) {
      log.warn("exec.refused", { tunnelId, operator, argv }, error);
      throw error;
    }
  }

  /** Ends what runs; resolves when it has gone. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#isStopping = true;
    for (const command of this.#running) command.stop();
    await Promise.all([...this.#running].map(({ gone }) => gone));
  }

  #admit(argv: readonly string[], shown: string): void {
    const { allow, concurrentMax } = this.#rules;
    checkCommand(argv, allow);
    if (this.#isStopping) {
      throw new Fault("agentStopping", "The agent of this device is stopping");
    }
    if (this.#running.size < concurrentMax) return;
    throw new Fault(
      "quotaExceeded",
      `Cannot run ${shown}: ${concurrentMax} commands run already, the limit`,
      { hint: "Wait, or raise [exec] concurrent_max in agent.toml" },
    );
  }

  #start(
    order: CommandOrder,
    caller: ServiceCaller,
    owner: CommandOwner,
  ): RunningCommand {
    const { clock } = this.#ports;
    const { timeoutMs: maxMs } = this.#rules;
    const timeoutMs = Math.min(order.timeoutMs ?? maxMs, maxMs);
    const counts = { stdout: 0, stderr: 0 };
    const startMs = clock.now();
    const over = new AbortController();
    let late: Fault | undefined;
    const tell = (exit: ExecExit) => {
      over.abort();
      const ms = Math.round(clock.now() - startMs);
      this.#logEnd(order, caller, { exit, late, ms, ...counts });
      if (late) owner.failed(late);
      else owner.ended(exit);
    };
    const command = this.#ports.startCommand(order.argv, {
      output: (output, chunk) => {
        counts[output] += chunk.length;
        owner.output(output, chunk);
      },
      ended: tell,
    });
    this.#running.add(command);
    void command.gone.then(() => this.#running.delete(command));
    clock.sleep(timeoutMs, over.signal).then(
      () => {
        late = tooLate(order.argv, timeoutMs);
        command.stop();
      },
      () => undefined, // It ended in time.
    );
    return command;
  }

  #logEnd(
    { argv: words }: CommandOrder,
    { tunnelId, operator }: ServiceCaller,
    end: {
      readonly exit: ExecExit;
      readonly late: Fault | undefined;
      readonly ms: number;
      readonly stdout: number;
      readonly stderr: number;
    },
  ): void {
    const argv = showCommand(words);
    const exit = "code" in end.exit ? String(end.exit.code) : end.exit.signal;
    const { ms, stdout: stdoutBytes, stderr: stderrBytes } = end;
    const code = end.late?.code ?? "ok";
    this.#ports.log.info("exec.end", {
      tunnelId,
      operator,
      argv,
      exit,
      ms,
      stdoutBytes,
      stderrBytes,
      code,
    });
  }
}

function tooLate(argv: readonly string[], timeoutMs: number): Fault {
  const limit = `it ran for more than ${timeoutMs / 1_000} s, its limit`;
  return new Fault("execTimedOut", `Ended ${showCommand(argv)}: ${limit}`);
}
