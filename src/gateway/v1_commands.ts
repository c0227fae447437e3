import { Fault } from "../protocol/fault.ts";
import type { V1Message } from "../protocol/v1_message.ts";
import type { Admitted } from "./admit.ts";
import { V1ExecOutput } from "./v1_exec_output.ts";
import { runV1Exec } from "./v1_exec_run.ts";
import type { V1StreamPorts } from "./v1_stream.ts";
import { v1ErrorText, v1NotFound } from "./v1_text.ts";

/** Ours to choose: upstream's clients need one. */
const COMMANDS_MAX_COUNT = 16;

/** The link of the operator whose commands these are. */
export interface V1CommandsOwner {
  readonly operator: Admitted;
  readonly bufferedBytes: number;
  /** Says something that comes as often as the operator asks for it. */
  answer(message: object): void;
  /** Says some of what a command says; its amount is bounded by who asks. */
  say(message: object): void;
}

/** The commands that run for one link of an operator of protocol 1. */
export class V1Commands {
  readonly #owner: V1CommandsOwner;
  readonly #ports: V1StreamPorts;
  readonly #left: AbortSignal;
  readonly #stop: AbortSignal;
  readonly #outputs = new Map<string, V1ExecOutput>();

  /**
   * @param left Aborts when the operator has left: its commands are ended.
   * @param stop Aborts, with a fault, when the gateway stops.
   */
  constructor(
    owner: V1CommandsOwner,
    ports: V1StreamPorts,
    left: AbortSignal,
    stop: AbortSignal,
  ) {
    this.#owner = owner;
    this.#ports = ports;
    this.#left = left;
    this.#stop = stop;
  }

  /** The operator's link has sent what it had. */
  drained(): void {
    for (const output of [...this.#outputs.values()]) output.drained();
  }

  /** Runs a command to its end. Never rejects: the operator hears of it. */
  async execute(
    message: Extract<V1Message, { type: "execute_command" }>,
  ): Promise<void> {
    const { command, exec_id: execId, id: deviceId } = message;
    const failed = (error: string) =>
      this.#owner.answer({ type: "exec_error", "exec_id": execId, error });
    if (deviceId === undefined) return failed(v1NotFound("None"));
    if (this.#outputs.has(execId)) return failed("There is one with this id");
    if (this.#outputs.size >= COMMANDS_MAX_COUNT) {
      return failed(`Over ${COMMANDS_MAX_COUNT} commands at once`);
    }
    const output = this.#openOutput(execId);
    try {
      const request = {
        deviceId,
        command,
        operator: this.#owner.operator,
        outlet: output,
        started: () =>
          this.#owner.answer({
            type: "exec_started",
            "exec_id": execId,
            id: deviceId,
            command,
          }),
      };
      const code = await runV1Exec(
        request,
        this.#ports,
        this.#left,
        this.#stop,
      );
      output.flush();
      this.#owner.answer({
        type: "exec_complete",
        "exec_id": execId,
        "exit_code": code,
      });
    } catch (error) {
      output.flush();
      failed(v1ErrorText(Fault.from(error), deviceId));
    } finally {
      this.#outputs.delete(execId);
    }
  }

  #openOutput(execId: string): V1ExecOutput {
    const owner = this.#owner;
    const output = new V1ExecOutput(execId, {
      say: (message) => owner.say(message),
      bufferedBytes: () => owner.bufferedBytes,
    });
    this.#outputs.set(execId, output);
    return output;
  }
}
