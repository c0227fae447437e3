import { expect, test } from "bun:test";
import type { ExecOutput } from "../../src/protocol/exec_frame.ts";
import type { Fault } from "../../src/protocol/fault.ts";
import type { ByteSocket } from "../../src/transport/byte_socket.ts";
import {
  ExecClient,
  type ExecOutlet,
} from "../../src/transport/exec_client.ts";
import { serveExec } from "../../src/transport/exec_server.ts";
import { FakeCommands } from "../agent/fake_command.ts";
import { ManualClock, settle } from "../support/manual_clock.ts";

/** Both ends of a command in one process, as a gateway has them. */
class Pair implements ExecOutlet {
  readonly commands = new FakeCommands();
  readonly client = new ExecClient({ argv: ["migasfree", "sync"] }, this);
  readonly server = serveExec(
    ({ argv }, hearer) => this.commands.startCommand(argv, hearer),
    new ManualClock(),
  );
  readonly written: string[] = [];
  /** How each end closed: the client first, the server second. */
  readonly closed: string[] = ["", ""];
  isFull = false;
  isFinished = false;
  handlers: Parameters<ExecOutlet["handle"]>[0] | undefined;

  constructor() {
    void this.client.finished.then(() => this.isFinished = true);
    this.#join(this.server, this.client, 1);
    this.#join(this.client, this.server, 0);
  }

  handle(handlers: Parameters<ExecOutlet["handle"]>[0]): void {
    this.handlers = handlers;
  }

  write(output: ExecOutput, piece: Uint8Array): boolean {
    this.written.push(`${output} ${new TextDecoder().decode(piece)}`);
    return !this.isFull;
  }

  #join(from: ByteSocket, to: ByteSocket, index: number): void {
    from.handle({
      data: (chunk) => {
        if (!to.write(chunk)) from.pause();
      },
      end: () => to.end(),
      drain: () => to.resume(),
      closed: (fault: Fault | undefined) => {
        this.closed[index] = fault?.code ?? "cleanly";
        if (fault) to.reset();
      },
    });
  }
}

test("ExecClient and serveExec() carry a command between them, and close cleanly", async () => {
  const pair = new Pair();
  const { client, commands } = pair;
  expect(commands.last.argv).toEqual(["migasfree", "sync"]);
  commands.last.write("stdout", "50 %\r");
  commands.last.write("stderr", "oh\n");
  commands.last.exit(3);
  await settle();
  expect(pair.written).toEqual(["stdout 50 %\r", "stderr oh\n"]);
  expect(client.result).toEqual({ type: "exit", exit: { code: 3 } });
  expect([pair.isFinished, pair.closed]).toEqual([true, [
    "cleanly",
    "cleanly",
  ]]);
  expect([client.cancel(), commands.last.calls]).toEqual([false, []]);
});

test("ExecClient stops the command while its outlet is full, and lets it go on", () => {
  const pair = new Pair();
  pair.isFull = true;
  pair.commands.last.write("stdout", "much");
  expect(pair.commands.last.calls).toEqual(["pause"]);
  pair.isFull = false;
  pair.handlers?.drain();
  expect(pair.commands.last.calls).toEqual(["pause", "resume"]);
});

test("ExecClient is not finished before its outlet has taken all", async () => {
  const pair = new Pair();
  pair.isFull = true;
  pair.commands.last.write("stdout", "much");
  pair.commands.last.exit(0);
  await settle();
  expect([pair.client.result?.type, pair.isFinished]).toEqual(["exit", false]);
  pair.handlers?.drain();
  await settle();
  expect(pair.isFinished).toBeTrue();
});

test("ExecClient.cancel() stops the command, and its end is told", async () => {
  const pair = new Pair();
  expect(pair.client.cancel()).toBeTrue();
  expect(pair.commands.last.calls).toEqual(["stop"]);
  pair.commands.last.die("SIGTERM");
  await settle();
  expect(pair.client.result)
    .toEqual({ type: "exit", exit: { signal: "SIGTERM" } });
});

test("ExecClient.reset() ends a command that waits for its reader", async () => {
  const pair = new Pair();
  pair.isFull = true;
  pair.commands.last.write("stdout", "much");
  pair.client.reset();
  await settle();
  expect(pair.commands.last.calls).toEqual(["pause", "abandon"]);
  expect(pair.closed).toEqual(["streamReset", "streamReset"]);
  expect([pair.client.result, pair.isFinished]).toEqual([undefined, false]);
});
