import { expect, test } from "bun:test";
import { createServer, type Socket } from "node:net";
import { join } from "node:path";
import {
  encodeExecMessage,
  encodeExecOutput,
  ExecFrameDecoder,
  type ExecMessage,
} from "../../src/protocol/exec_frame.ts";
import { startByHelper } from "../../src/runtime/exec_helper.ts";
import { makeTemporaryDir } from "../support/temporary_dir.ts";

/** Root's side: answers each message, and keeps what it was asked. */
async function makeHelper(
  answer: (message: ExecMessage, socket: Socket) => void,
) {
  const dir = await makeTemporaryDir();
  const path = join(dir.path, "helper.sock");
  const asked: ExecMessage[] = [];
  const server = createServer((socket) => {
    const decoder = new ExecFrameDecoder("operator", {
      output: () => undefined,
      message: (message) => {
        asked.push(message);
        answer(message, socket);
      },
    });
    socket.on("data", (chunk) => decoder.decode(Buffer.from(chunk)));
    socket.on("error", () => socket.destroy());
  });
  await new Promise<void>((resolve) => server.listen(path, resolve));
  return {
    path,
    asked,
    [Symbol.asyncDispose]: async () => {
      server.close();
      await dir[Symbol.asyncDispose]();
    },
  };
}

/** What was told, as lines. */
function listSink() {
  const told: string[] = [];
  const end = Promise.withResolvers<void>();
  return {
    told,
    ended: end.promise,
    sink: {
      output: (output: string, chunk: Uint8Array) =>
        void told.push(`${output} ${new TextDecoder().decode(chunk)}`),
      ended: (exit: object) => {
        told.push(JSON.stringify(exit));
        end.resolve();
      },
      failed: (fault: { code: string; message: string }) => {
        told.push(`${fault.code}: ${fault.message}`);
        end.resolve();
      },
    },
  };
}

const encoder = new TextEncoder();

test("startByHelper() says which entry is meant, and tells what comes of it", async () => {
  await using helper = await makeHelper((_message, socket) => {
    socket.write(encodeExecOutput("stdout", encoder.encode("out")));
    socket.write(encodeExecOutput("stderr", encoder.encode("err")));
    socket.write(encodeExecMessage({ type: "exit", exit: { code: 3 } }));
  });
  const { sink, told } = listSink();
  const command = startByHelper(helper.path, ["migasfree", "sync"], sink);
  await command.gone;
  expect(told).toEqual(["stdout out", "stderr err", '{"code":3}']);
  expect(helper.asked)
    .toEqual([{ type: "start", start: { argv: ["migasfree", "sync"] } }]);
});

test("startByHelper() passes on why root refuses", async () => {
  await using helper = await makeHelper((_message, socket) => {
    const error = { code: "execRefused", message: "Cannot run id" } as const;
    socket.write(encodeExecMessage({ type: "error", error }));
  });
  const { sink, told } = listSink();
  await startByHelper(helper.path, ["id"], sink).gone;
  expect(told).toEqual(["execRefused: Cannot run id"]);
});

test("startByHelper() asks for an end, once, and waits for it", async () => {
  await using helper = await makeHelper((message, socket) => {
    if (message.type !== "cancel") return;
    const exit = { signal: "SIGTERM" };
    socket.write(encodeExecMessage({ type: "exit", exit }));
  });
  const { sink, told } = listSink();
  const command = startByHelper(helper.path, ["sleep"], sink);
  command.stop();
  command.stop();
  await command.gone;
  expect(told).toEqual(['{"signal":"SIGTERM"}']);
  expect(helper.asked.map(({ type }) => type)).toEqual(["start", "cancel"]);
});

test("startByHelper() tells nothing more of a command that is abandoned", async () => {
  await using helper = await makeHelper((message, socket) => {
    if (message.type !== "cancel") return;
    socket.write(encodeExecOutput("stdout", encoder.encode("late")));
    socket.write(encodeExecMessage({ type: "exit", exit: { code: 0 } }));
  });
  const { sink, told } = listSink();
  const command = startByHelper(helper.path, ["sleep"], sink);
  command.abandon();
  await command.gone;
  expect(told).toEqual(['{"code":0}']);
});

test("startByHelper() says that root's helper is switched off", async () => {
  const { sink, told } = listSink();
  await startByHelper("/nowhere/helper.sock", ["id"], sink).gone;
  expect(told).toEqual([
    "execRefused: Cannot run the command: " +
    "root's helper is switched off on this device",
  ]);
});

test("startByHelper() fails once if root's side ends without a word, or lies", async () => {
  for (
    const [answer, said] of [
      [Buffer.alloc(0), "linkLost: Root's helper ended without a word"],
      [
        Buffer.from([99, 0, 0, 0, 0]),
        "messageInvalid: Cannot read frame of type 99",
      ],
    ] as const
  ) {
    await using helper = await makeHelper((_message, socket) => {
      socket.end(answer);
    });
    const { sink, told } = listSink();
    await startByHelper(helper.path, ["id"], sink).gone;
    expect(told).toEqual([said]);
  }
});
