import type {
  CommandPorts,
  RunningCommand,
} from "../../src/agent/command_runner.ts";

type Sink = Parameters<CommandPorts["startCommand"]>[1];

/** A command that does what the test says, and writes down what it is told. */
export class FakeCommand implements RunningCommand {
  readonly argv: readonly string[];
  readonly sink: Sink;
  /** `pause`, `resume`, `stop`, `abandon`, in order. */
  readonly calls: string[] = [];
  readonly gone: Promise<void>;
  /** All of its group has gone. */
  readonly leave: () => void;

  constructor(argv: readonly string[], sink: Sink) {
    this.argv = argv;
    this.sink = sink;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.gone = promise;
    this.leave = resolve;
  }

  pause(): void {
    this.calls.push("pause");
  }

  resume(): void {
    this.calls.push("resume");
  }

  stop(): void {
    this.calls.push("stop");
  }

  abandon(): void {
    this.calls.push("abandon");
  }

  // The program.

  write(output: "stdout" | "stderr", text: string): void {
    this.sink.output(output, new TextEncoder().encode(text));
  }

  exit(code: number): void {
    this.sink.ended({ code });
    this.leave();
  }

  die(signal: string): void {
    this.sink.ended({ signal });
    this.leave();
  }
}

/** Starts fake commands, and keeps them. */
export class FakeCommands {
  readonly started: FakeCommand[] = [];

  readonly startCommand = (
    argv: readonly string[],
    sink: Sink,
  ): FakeCommand => {
    const command = new FakeCommand(argv, sink);
    this.started.push(command);
    return command;
  };

  get last(): FakeCommand {
    const command = this.started.at(-1);
    if (!command) throw new Error("Nothing was started");
    return command;
  }
}
