import { expect, test } from "bun:test";
import { chmod, lstat, stat, writeFile } from "node:fs/promises";
import { connect, createServer, type Server } from "node:net";
import { join } from "node:path";
import { Fault } from "../../src/protocol/fault.ts";
import { askStatus } from "../../src/runtime/ask_status.ts";
import { serveStatus } from "../../src/runtime/status_socket.ts";
import { rejection } from "../support/rejection.ts";
import { makeTemporaryDir } from "../support/temporary_dir.ts";
import { testUnless } from "../support/test_unless.ts";

const ASK_TIMEOUT_MS = 10_000;
const ASK_HINT = "Check that an agent serves that socket";

/** A folder, and the path of a socket in it. */
async function folder(): Promise<AsyncDisposable & { readonly path: string }> {
  const dir = await makeTemporaryDir("status");
  return { ...dir, path: join(dir.path, "agent.sock") };
}

async function refused(promise: Promise<unknown>): Promise<unknown[]> {
  const { code, hint, message } = Fault.from(await rejection(promise));
  return [code, message, hint];
}

/** Serves `text` at `path` in the place of an agent. */
async function serveText(
  path: string,
  text: string | undefined,
): Promise<AsyncDisposable> {
  const server: Server = createServer((socket) => {
    socket.on("error", () => socket.destroy());
    if (text !== undefined) socket.end(text);
  });
  const { promise, resolve } = Promise.withResolvers<void>();
  server.listen(path, resolve);
  await promise;
  return {
    [Symbol.asyncDispose]: () => {
      server.close();
      return Promise.resolve();
    },
  };
}

test("askStatus() hears the state as it is at that moment", async () => {
  await using place = await folder();
  const state = { link: "online", tunnels: ["ß", "€"], count: 0 };
  await using _server = await serveStatus(place.path, () => {
    state.count++;
    return state;
  });
  const asked = [
    await askStatus(place.path, ASK_TIMEOUT_MS),
    await askStatus(place.path, ASK_TIMEOUT_MS),
  ];
  expect(asked).toEqual([{ ...state, count: 1 }, { ...state, count: 2 }]);
});

test("serveStatus() lets the owner and the group ask, and nobody else", async () => {
  await using place = await folder();
  await using _server = await serveStatus(place.path, () => 1);
  expect((await stat(place.path)).mode & 0o777).toBe(0o660);
});

test("serveStatus() answers many at once", async () => {
  await using place = await folder();
  const long = "a".repeat(200_000);
  await using _server = await serveStatus(place.path, () => long);
  const asked = await Promise.all(
    Array.from({ length: 8 }, () => askStatus(place.path, ASK_TIMEOUT_MS)),
  );
  expect(asked.every((state) => state === long)).toBe(true);
});

/** Asks again and again, in a process of its own, and says what it hears. */
const ASKER = `
  const [, path, source] = process.argv;
  const { askStatus } = await import(source);
  for (let i = 0; i < 40; i++) {
    const state = await askStatus(path, ${ASK_TIMEOUT_MS}).catch(String);
    console.log(state);
  }
`;

test("serveStatus() is heard whole by another process, each time", async () => {
  await using place = await folder();
  await using _server = await serveStatus(place.path, () => "well");
  const source = join(import.meta.dir, "../../src/runtime/ask_status.ts");
  const asker = Bun.spawn([process.execPath, "-e", ASKER, place.path, source]);
  const heard = await new Response(asker.stdout).text();
  expect(heard).toBe("well\n".repeat(40));
}, 30_000);

test("serveStatus() answers who has already said that it will say nothing", async () => {
  await using place = await folder();
  await using _server = await serveStatus(place.path, () => "well");
  const heard = Promise.withResolvers<string>();
  let text = "";
  const socket = connect({ path: place.path, allowHalfOpen: true });
  socket.on("data", (chunk: Buffer) => text += chunk.toString());
  socket.once("end", () => heard.resolve(text));
  socket.end();
  expect(await heard.promise).toBe('{"state":"well"}');
});

test("askStatus() says that no agent runs, and how to start it", async () => {
  await using place = await folder();
  expect(await refused(askStatus(place.path, ASK_TIMEOUT_MS))).toEqual([
    "programMissing",
    `Cannot ask the agent at ${place.path}: none runs on this computer`,
    "Start it, with `systemctl start migasfree-agent` or `migasfree-agent run`",
  ]);
});

test("serveStatus() leaves nothing behind, and disposes twice", async () => {
  await using place = await folder();
  const server = await serveStatus(place.path, () => 1);
  await server[Symbol.asyncDispose]();
  await server[Symbol.asyncDispose]();
  expect(await rejection(lstat(place.path))).toMatchObject({ code: "ENOENT" });
});

test("serveStatus() ends at once, whoever asked and does not hear", async () => {
  await using place = await folder();
  const asked = Promise.withResolvers<void>();
  const long = "a".repeat(8 * 1024 * 1024);
  const server = await serveStatus(place.path, () => {
    asked.resolve();
    return long;
  });
  const socket = connect(place.path).pause();
  const closed = Promise.withResolvers<void>();
  socket.on("error", () => socket.destroy());
  socket.once("close", () => closed.resolve());
  await asked.promise;
  const startMs = performance.now();
  await server[Symbol.asyncDispose]();
  expect(performance.now() - startMs).toBeLessThan(1_000);
  socket.resume();
  await closed.promise;
});

test("serveStatus() does not take the place of an agent that lives", async () => {
  await using place = await folder();
  await using _server = await serveStatus(place.path, () => "first");
  expect(await refused(serveStatus(place.path, () => "second"))).toEqual([
    "configInvalid",
    `Cannot make status socket ${place.path}: another agent serves it`,
    "Stop the other agent, or set `state_dir` to another path",
  ]);
  expect(await askStatus(place.path, ASK_TIMEOUT_MS)).toBe("first");
});

test("serveStatus() replaces the socket of an agent that died", async () => {
  await using place = await folder();
  const program = `require("node:net").createServer()
    .listen(${JSON.stringify(place.path)}, () => console.log("listening"));`;
  const child = Bun.spawn([process.execPath, "-e", program], {
    stdout: "pipe",
    env: { ...process.env, BUN_BE_BUN: "1" },
  });
  await child.stdout.getReader().read();
  child.kill("SIGKILL");
  await child.exited;
  expect((await lstat(place.path)).isSocket()).toBe(true);
  const [code] = await refused(askStatus(place.path, ASK_TIMEOUT_MS));
  expect(code).toBe("programMissing");
  await using _server = await serveStatus(place.path, () => "second");
  expect(await askStatus(place.path, ASK_TIMEOUT_MS)).toBe("second");
});

test("serveStatus() removes no file that is no socket", async () => {
  await using place = await folder();
  await writeFile(place.path, "precious");
  expect(await refused(serveStatus(place.path, () => 1))).toEqual([
    "configInvalid",
    `Cannot make status socket ${place.path}: another kind of file is there`,
    "Move it away, or set `status_socket` to another path",
  ]);
  expect(await Bun.file(place.path).text()).toBe("precious");
});

test("serveStatus() refuses a folder that is not there", async () => {
  await using place = await folder();
  const path = join(place.path, "deeper", "agent.sock");
  const [code, message] = await refused(serveStatus(path, () => 1));
  expect([code, message]).toEqual([
    "configInvalid",
    `Cannot make status socket ${path}: there is no such file`,
  ]);
});

test("askStatus() tells a bug in the state, and the agent lives on", async () => {
  await using place = await folder();
  let isBroken = true;
  await using _server = await serveStatus(place.path, () => {
    if (isBroken) throw new Error("boo\u001b");
    return "well";
  });
  expect(await refused(askStatus(place.path, ASK_TIMEOUT_MS))).toEqual([
    "messageInvalid",
    "Cannot read the agent's answer: Error: boo?",
    ASK_HINT,
  ]);
  isBroken = false;
  expect(await askStatus(place.path, ASK_TIMEOUT_MS)).toBe("well");
});

test("askStatus() refuses an answer that is no state", async () => {
  const found = [];
  for (const text of ["", "{", "null", "[]", '"a"', "{}", '{"bug":7}']) {
    await using place = await folder();
    await using _server = await serveText(place.path, text);
    found.push(await refused(askStatus(place.path, ASK_TIMEOUT_MS)));
  }
  const start = "Cannot read the agent's answer: ";
  const noJson = ["messageInvalid", `${start}it is not JSON`, ASK_HINT];
  const noState = ["messageInvalid", `${start}it has no state`, ASK_HINT];
  expect(found)
    .toEqual([noJson, noJson, noState, noState, noState, noState, noState]);
});

test("askStatus() refuses an endless answer", async () => {
  await using place = await folder();
  await using _server = await serveText(place.path, " ".repeat(1_048_577));
  expect(await refused(askStatus(place.path, ASK_TIMEOUT_MS))).toEqual([
    "messageTooLarge",
    "Cannot read the agent's answer: over 1048576 bytes",
    ASK_HINT,
  ]);
});

test("askStatus() waits no longer than it was told, and stops at once", async () => {
  await using place = await folder();
  await using _server = await serveText(place.path, undefined);
  expect(await refused(askStatus(place.path, 30))).toEqual([
    "linkSilent",
    "Cannot hear the agent: silent for 0.03 s",
    "Look at its log, and start it again",
  ]);
  const stop = new AbortController();
  const asking = askStatus(place.path, ASK_TIMEOUT_MS, stop.signal);
  const reason = new Error("Test over");
  const startMs = performance.now();
  stop.abort(reason);
  expect(await rejection(asking)).toBe(reason);
  expect(performance.now() - startMs).toBeLessThan(1_000);
});

const testAsUser = testUnless(
  process.getuid?.() === 0 ? "the superuser may ask every socket" : undefined,
);

testAsUser("askStatus() tells a user who may not ask how to", async () => {
  await using place = await folder();
  await using _server = await serveStatus(place.path, () => 1);
  await chmod(place.path, 0);
  expect(await refused(askStatus(place.path, ASK_TIMEOUT_MS))).toEqual([
    "usageInvalid",
    `Cannot ask the agent at ${place.path}: this user may not`,
    "Run it with sudo, or as the user the agent runs as",
  ]);
});
