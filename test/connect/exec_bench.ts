import { runRemoteCommand } from "../../src/connect/exec.ts";
import type { OperatorPorts } from "../../src/connect/ports.ts";
import { encodeExecMessage } from "../../src/protocol/exec_frame.ts";
import type { ExecMessage } from "../../src/protocol/exec_frame.ts";
import { Fault } from "../../src/protocol/fault.ts";
import { WindowBudget } from "../../src/stream/window_budget.ts";
import type { ExecOutlet } from "../../src/transport/exec_client.ts";
import { Site } from "../../src/connect/site.ts";
import { Heartbeats } from "../../src/transport/heartbeats.ts";
import { FrameEar } from "../protocol/frame_ear.ts";
import { ManualClock } from "../support/manual_clock.ts";
import { memoryLinks } from "../support/memory_link.ts";
import { JOINED_TEXT, StreamSide } from "../transport/stream_bench.ts";

/** An outlet that keeps what it gets, and takes it when the test says so. */
export class ListOutlet implements ExecOutlet {
  readonly written: string[] = [];
  isFull = false;
  handlers: Parameters<ExecOutlet["handle"]>[0] | undefined;

  handle(handlers: Parameters<ExecOutlet["handle"]>[0]): void {
    this.handlers = handlers;
  }

  write(output: string, piece: Uint8Array): boolean {
    this.written.push(`${output} ${new TextDecoder().decode(piece)}`);
    return !this.isFull;
  }
}

/** An operator who runs a command, and a device that the test plays. */
export class ExecBench {
  readonly clock = new ManualClock();
  readonly outlet = new ListOutlet();
  readonly device: StreamSide;
  readonly dialed: string[] = [];
  readonly #cancel = new AbortController();
  readonly #links = memoryLinks();
  readonly #isJoined: boolean;
  /** How it ended: an exit as JSON, or a fault. */
  outcome = "not yet";
  hint: string | undefined;

  constructor({ isJoined = true } = {}) {
    this.device = new StreamSide(this.#links.far);
    this.#isJoined = isJoined;
  }

  start(): void {
    const heartbeats = new Heartbeats(this.clock, "probe");
    const ports: OperatorPorts = {
      clock: this.clock,
      heartbeats,
      budget: new WindowBudget(1024 * 1024),
      random: () => 0,
      lost: () => undefined,
      back: () => undefined,
      gatewayUrl: "wss://gateway.test/tunnel",
      dial: (url) => {
        this.dialed.push(url);
        return Promise.resolve(this.#links.near);
      },
      site: new Site(),
      commonName: () => Promise.resolve(undefined),
      getJson: () => Promise.reject(new Error("Nobody is asked")),
    };
    if (this.#isJoined) {
      this.#links.near.send(JOINED_TEXT);
      this.#links.far.send(JOINED_TEXT);
      this.device.start(this.clock, heartbeats);
    } else {
      const ignore = () => undefined;
      this.#links.far.handle({
        message: ignore,
        drain: ignore,
        closed: ignore,
      });
    }
    const start = { argv: ["migasfree", "sync"], "timeout_ms": 1_000 };
    const there = { ...ports, outlet: this.outlet };
    runRemoteCommand(7, start, there, this.#cancel.signal).then(
      (exit) => this.outcome = JSON.stringify(exit),
      (error: unknown) => {
        const { code, message, hint } = Fault.from(error);
        this.outcome = `${code}: ${message}`;
        this.hint = hint;
      },
    );
  }

  cancel(): void {
    this.#cancel.abort(new Fault("tunnelCancelled", "Stopped by SIGINT"));
  }

  say(bytes: ExecMessage | Uint8Array): void {
    const isBytes = bytes instanceof Uint8Array;
    this.device.socket.say(isBytes ? bytes : encodeExecMessage(bytes));
  }

  /** What the operator has said to the device. */
  get heard(): unknown[] {
    const ear = new FrameEar("operator");
    ear.decode(this.device.socket.received);
    return ear.said;
  }
}
