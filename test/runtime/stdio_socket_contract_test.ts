import type { Subprocess } from "bun";
import {
  type Bench,
  type FarEnd,
  testByteSocketContract,
} from "../contract/byte_socket_contract.ts";
import type { ProgramName, Report } from "../contract/byte_socket_programs.ts";

const PROGRAM_PATH = new URL("./stdio_program.ts", import.meta.url).pathname;

type PipedProcess = Subprocess<"pipe", "pipe", "inherit">;

testByteSocketContract({
  name: "Standard input and output",
  open: openBench,
  knowsReset: false,
});

function openBench(program: ProgramName): Promise<Bench> {
  const report = Promise.withResolvers<Report>();
  const heard = Promise.withResolvers<void>();
  const child = Bun.spawn({
    cmd: [process.execPath, PROGRAM_PATH, program],
    stdin: "pipe",
    stdout: "pipe",
    stderr: "inherit",
    ipc: (message: unknown) => {
      if (message === "heard") return heard.resolve();
      report.resolve((message as { report: Report }).report);
    },
    onExit: (_child, exitCode) =>
      report.reject(new Error(`The program left with ${exitCode}`)),
  });
  // Whoever does not ask for the report does not care how the child ended.
  void report.promise.then(undefined, () => undefined);
  return Promise.resolve({
    far: pipedFarEnd(child),
    report: report.promise,
    cue: () => {
      child.send("cue");
      return heard.promise;
    },
    [Symbol.asyncDispose]: async () => {
      child.kill("SIGKILL");
      await child.exited;
    },
  });
}

function pipedFarEnd(child: PipedProcess): FarEnd {
  const reader = child.stdout.getReader();
  let rest = new Uint8Array(0);
  const more = async () => {
    const { value, done } = await reader.read();
    if (done) return false;
    rest = new Uint8Array(Buffer.concat([rest, value]));
    return true;
  };
  return {
    write: async (bytes) => {
      await child.stdin.write(bytes);
      await child.stdin.flush();
    },
    end: () => void child.stdin.end(),
    // What is not asked for stays in the pipe.
    pause: () => undefined,
    read: async (size) => {
      while (rest.byteLength < size) {
        if (!await more()) throw new Error(`Expected ${size} bytes, met end`);
      }
      const bytes = rest.slice(0, size);
      rest = rest.slice(size);
      return bytes;
    },
    readAll: async () => {
      const chunks = [rest];
      for (;;) {
        const { value, done } = await reader.read();
        if (done) return { bytes: joined(chunks), ending: "end" };
        chunks.push(new Uint8Array(value));
      }
    },
    reset: () => {
      throw new Error("Expected no reset of a pipe");
    },
  };
}

function joined(chunks: readonly Uint8Array[]): Uint8Array {
  return new Uint8Array(Buffer.concat(chunks));
}
