import { quoteCommand } from "../protocol/command_words.ts";
import type { ExecExit, ExecStart } from "../protocol/exec_message.ts";
import { Fault } from "../protocol/fault.ts";
import type { ExecOutlet } from "../transport/exec_client.ts";
import type { OperatorPorts } from "./ports.ts";
import {
  isNotHere,
  refusal,
  type V1Heard,
  v1Id,
  V1Session,
} from "./v1_session.ts";

/** Output that may wait for whoever reads it. */
const UNREAD_MAX_BYTES = 64 * 1024 * 1024;

export interface V1ExecPorts extends OperatorPorts {
  readonly outlet: ExecOutlet;
}

/**
 * Runs one command on a device of a migasfree 5 site.
 *
 * Protocol 1 cannot cancel: a command goes on when its operator leaves.
 *
 * @throws {Fault} Why it was not run; `execTimedOut`; how the link ended.
 * @throws The reason of `cancelled`.
 */
export async function runV1Command(
  deviceId: number,
  start: ExecStart,
  ports: V1ExecPorts,
  cancelled: AbortSignal,
): Promise<ExecExit> {
  const command = new V1Command(ports.outlet);
  const { session } = await V1Session.begin(
    deviceId,
    "exec",
    ports,
    (session, signal) => ask(session, command, start, ports, signal),
    cancelled,
  );
  const over = new AbortController();
  const stop = () => command.end(Fault.from(cancelled.reason));
  cancelled.addEventListener("abort", stop, { once: true });
  if (cancelled.aborted) stop();
  void session.gone.then((fault) => command.end(fault));
  if (start.timeout_ms !== undefined) {
    const late = tooLate(start.timeout_ms);
    void ports.clock.sleep(start.timeout_ms, over.signal).then(
      () => command.end(late),
      () => undefined, // It ended in time.
    );
  }
  try {
    return await command.exit;
  } finally {
    over.abort();
    cancelled.removeEventListener("abort", stop);
    await session.leave();
  }
}

/** What is heard of one remote command. */
class V1Command {
  readonly id = v1Id("exec");
  readonly exit: Promise<ExecExit>;
  /** Ends the command, as far as we hear of it. */
  readonly end: (fault: Fault) => void;
  readonly #exited: (exit: ExecExit) => void;
  readonly #outlet: ExecOutlet;
  #unreadBytes = 0;
  #isStarted = false;

  constructor(outlet: ExecOutlet) {
    const { promise, resolve, reject } = Promise.withResolvers<ExecExit>();
    this.exit = promise;
    // Whoever waits hears of it; before that, nobody has to.
    promise.catch(() => undefined);
    this.#exited = resolve;
    this.end = reject;
    this.#outlet = outlet;
    outlet.handle({
      drain: () => void (this.#unreadBytes = 0),
      failed: (fault) => reject(fault),
    });
  }

  heard(message: V1Heard, session: V1Session): void {
    if (!("exec_id" in message) || message.exec_id !== this.id) return;
    switch (message.type) {
      case "exec_started":
        this.#isStarted = true;
        return;
      case "exec_output":
        return this.#write(message.stream, message.data, session);
      case "exec_complete":
        return this.#exited({ code: message.exit_code });
      case "exec_error":
        // Before the start it is the relay that speaks, of where the agent is.
        if (this.#isStarted) this.end(refused(message.error));
        return;
    }
  }

  #write(
    stream: "stdout" | "stderr",
    text: string,
    session: V1Session,
  ): void {
    const piece = new TextEncoder().encode(text);
    if (this.#outlet.write(stream, piece)) return void (this.#unreadBytes = 0);
    this.#unreadBytes += piece.byteLength;
    if (this.#unreadBytes > UNREAD_MAX_BYTES) return this.end(tooMuch());
    // The relay must be heard: it is read more slowly, but never not at all.
    session.link.slowDown(piece.byteLength);
  }
}

async function ask(
  session: V1Session,
  command: V1Command,
  { argv }: ExecStart,
  ports: V1ExecPorts,
  signal: AbortSignal,
): Promise<void> {
  // The command may have ended before we have read that it was started.
  session.listen((message) => command.heard(message, session));
  session.link.say({
    type: "execute_command",
    id: session.deviceId,
    "exec_id": command.id,
    command: quoteCommand(argv),
    "client_cn": await ports.commonName() ?? null,
  });
  await session.answer((message) => {
    if (message.type !== "exec_error") {
      return message.type === "exec_started" || undefined;
    }
    return isNotHere(message.error)
      ? refusal(message.error)
      : refused(message.error);
  }, signal);
}

function refused(error: string): Fault {
  return new Fault("execRefused", `The device refused: ${error}`, {
    hint: "Agents of migasfree 5 run only `migasfree …`",
  });
}

function tooLate(timeoutMs: number): Fault {
  return new Fault(
    "execTimedOut",
    `The command ran for more than ${timeoutMs / 1_000} s`,
    { hint: "It goes on there: protocol 1 cannot cancel a command" },
  );
}

function tooMuch(): Fault {
  return new Fault("quotaExceeded", "Nobody reads the command's output", {
    hint: "Read it as it comes, or write it to a file",
  });
}
