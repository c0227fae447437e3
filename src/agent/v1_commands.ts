import type { Clock } from "../base/clock.ts";
import { splitCommand } from "../protocol/command_words.ts";
import { EXEC_SERVICE } from "../protocol/exec_message.ts";
import { Fault } from "../protocol/fault.ts";
import type { V1Message } from "../protocol/v1_message.ts";
import type { V1Link } from "../transport/v1_link.ts";
import type { CommandRunner } from "./command_runner.ts";
import { v1Refusal } from "./exec.ts";
import type { RunningTunnels } from "./running_tunnels.ts";
import { type V1Caller, v1Caller } from "./v1_caller.ts";
import { V1Command } from "./v1_command.ts";

export type V1Execute = Extract<V1Message, { type: "execute_command" }>;

/**
 * How long a command waits before it begins: migasfree's relay notes whose it
 * is only after it has passed it on, and loses an answer that is faster.
 */
const BEGIN_AFTER_MS = 100;

/** How many may wait for that: more than any relay has to pass on. */
const WAITING_MAX_COUNT = 64;

/** The remote commands of one protocol 1 link, at the device. */
export class V1Commands {
  readonly #link: V1Link;
  readonly #runner: CommandRunner | undefined;
  readonly #running: RunningTunnels;
  readonly #clock: Clock;
  readonly #commands = new Map<string, V1Command>();
  #waitingCount = 0;

  constructor(
    link: V1Link,
    runner: CommandRunner | undefined,
    running: RunningTunnels,
    clock: Clock,
  ) {
    this.#link = link;
    this.#runner = runner;
    this.#running = running;
    this.#clock = clock;
  }

  /**
   * Takes a command. Returns what begins it, and never rejects, or undefined
   * if there are too many; the command goes on after that until it has ended
   * or was abandoned.
   */
  start(
    order: V1Execute,
  ): ((signal: AbortSignal) => Promise<void>) | undefined {
    if (this.#waitingCount >= WAITING_MAX_COUNT) {
      this.#refuse(order, "Too many commands at once");
      return undefined;
    }
    this.#waitingCount++;
    return (signal) => this.#beginSoon(order, signal);
  }

  async #beginSoon(order: V1Execute, signal: AbortSignal): Promise<void> {
    try {
      await this.#clock.sleep(BEGIN_AFTER_MS, signal);
    } catch {
      return; // The link has gone, and with it whoever waits.
    } finally {
      this.#waitingCount--;
    }
    try {
      this.#begin(order);
    } catch (error) {
      this.#refuse(order, Fault.from(error).message);
    }
  }

  #refuse({ exec_id: id }: V1Execute, error: string): void {
    this.#link.say({ type: "exec_error", "exec_id": id, error });
  }

  /** All that was said has left. */
  drained(): void {
    for (const command of [...this.#commands.values()]) command.drained();
  }

  /** Ends all that runs: nobody can be told any more, or we have to go. */
  abandon(fault: Fault): void {
    for (const command of [...this.#commands.values()]) command.abandon(fault);
  }

  /** @throws {Fault} Why it does not run, for the operator to read. */
  #begin({ client_cn: clientCn, command: text, exec_id: id }: V1Execute): void {
    const argv = splitCommand(text);
    if (argv.length === 0) throw new Fault("execRefused", "Empty command");
    if (this.#commands.has(id)) {
      throw new Fault("execRefused", "There is a command with this id");
    }
    const caller = v1Caller(id, clientCn);
    const ended = this.#running.begin({
      id: caller.tunnelId,
      service: EXEC_SERVICE,
      operator: caller.operator,
    });
    const command = new V1Command(id, this.#link, () => {
      this.#commands.delete(id);
      ended();
    });
    try {
      command.runs(this.#run(argv, caller, command));
      this.#commands.set(id, command);
    } catch (error) {
      ended();
      throw error;
    }
  }

  /** @throws {Fault} As `CommandRunner.run`, in the words of protocol 1. */
  #run(argv: readonly string[], caller: V1Caller, command: V1Command) {
    const runner = this.#runner;
    try {
      if (!runner) throw new Fault("execRefused", "There is no remote command");
      return runner.run({ argv }, caller, command);
    } catch (error) {
      const fault = Fault.from(error);
      if (fault.code !== "execRefused") throw fault;
      const message = v1Refusal(argv, runner?.rules.allow ?? []);
      throw new Fault(fault.code, message, { cause: fault });
    }
  }
}
