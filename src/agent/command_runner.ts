import type { Clock } from "../base/clock.ts";
import type { Log } from "../base/log.ts";
import type { ExecExit } from "../protocol/exec_message.ts";
import { Fault } from "../protocol/fault.ts";
import type { ExecCommand, ExecHearer } from "../transport/exec_server.ts";
import { checkCommand, type ExecRules, showCommand } from "./exec.ts";
import type { ServiceCaller } from "./ports.ts";

/** What a shell says of what it has found and cannot run (POSIX XCU §2.8.2). */
const NOT_RUN_CODE = 126;

/** A command that runs, with all that it has started in its process group. */
export interface RunningCommand extends ExecCommand {
  /** Resolves when it has gone and, if it was to end, its group as well. */
  readonly gone: Promise<void>;
}

export interface CommandPorts {
  readonly clock: Clock;
  readonly log: Log;
  /** Starts a program without a shell or input. @throws {Fault} `programMissing`. */
  readonly startCommand: (
    argv: readonly string[],
    sink: ExecHearer,
  ) => RunningCommand;
}

/** What is to be run, and for how long at most. */
export interface CommandOrder {
  readonly argv: readonly string[];
  /** Undefined: as long as the agent allows. */
  readonly timeoutMs?: number | undefined;
}

/** Runs the commands that the agent's own rules allow, and no others. */
export class CommandRunner implements AsyncDisposable {
  readonly #rules: ExecRules;
  readonly #ports: CommandPorts;
  /** All of which something may be left. */
  readonly #commands = new Set<RunningCommand>();
  #runningCount = 0;
  #isStopping = false;

  constructor(rules: ExecRules, ports: CommandPorts) {
    this.#rules = rules;
    this.#ports = ports;
  }

  /** What may be run, and how much of it. */
  get rules(): ExecRules {
    return this.#rules;
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
    hearer: ExecHearer,
  ): RunningCommand {
    const { log } = this.#ports;
    const { tunnelId, operator } = caller;
    const argv = showCommand(order.argv);
    try {
      this.#admit(order.argv, argv);
      const command = this.#start(order, caller, hearer);
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
    for (const command of this.#commands) command.stop();
    await Promise.all([...this.#commands].map(({ gone }) => gone));
  }

  #admit(argv: readonly string[], shown: string): void {
    const { allow, concurrentMax } = this.#rules;
    checkCommand(argv, allow);
    if (this.#isStopping) {
      throw new Fault("agentStopping", "The agent of this device is stopping");
    }
    if (this.#runningCount < concurrentMax) return;
    throw new Fault(
      "quotaExceeded",
      `Cannot run ${shown}: ${concurrentMax} commands run already, the limit`,
      { hint: "Wait, or raise [exec] concurrent_max in agent.toml" },
    );
  }

  #start(
    order: CommandOrder,
    caller: ServiceCaller,
    hearer: ExecHearer,
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
      this.#runningCount--;
      const ms = Math.round(clock.now() - startMs);
      this.#logEnd(order, caller, { exit, late, ms, ...counts });
      if (late) hearer.failed(late);
      else hearer.ended(exit);
    };
    const command = this.#ports.startCommand(order.argv, {
      output: (output, chunk) => {
        counts[output] += chunk.length;
        hearer.output(output, chunk);
      },
      ended: tell,
      // Who runs it elsewhere may find out later that it cannot be run.
      failed: (fault) => {
        late ??= fault;
        tell({ code: NOT_RUN_CODE });
      },
    });
    this.#runningCount++;
    this.#commands.add(command);
    void command.gone.then(() => this.#commands.delete(command));
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
