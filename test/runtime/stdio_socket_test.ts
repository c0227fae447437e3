import { expect, test } from "bun:test";
import {
  closeSync,
  mkdtempSync,
  openSync,
  readFileSync,
  readlinkSync,
  rmSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pattern, sha256 } from "../contract/byte_socket_programs.ts";
import { standstill } from "../support/standstill.ts";
import { notLinux, testUnless } from "../support/test_unless.ts";

const PROGRAM_PATH = new URL("./stdio_program.ts", import.meta.url).pathname;
const ECHO = `"${process.execPath}" "${PROGRAM_PATH}" echo`;

const BIG_BYTES = 100 * 1024 * 1024;

/** What a process that echoes may use: most of it is Bun itself. */
const ECHO_RSS_MIN_BYTES = 16 * 1024 * 1024;
const ECHO_RSS_MAX_BYTES = 128 * 1024 * 1024;

/** A directory with 100 MiB in it, gone when disposed of. */
async function bigFile() {
  const directory = mkdtempSync(join(tmpdir(), "stdio-socket-"));
  const path = join(directory, "big");
  const bytes = pattern(BIG_BYTES);
  await Bun.write(path, bytes);
  return {
    directory,
    path,
    sumLine: `${sha256(bytes)}  -\n`,
    [Symbol.dispose]: () => rmSync(directory, { recursive: true }),
  };
}

async function shell(script: string, big: string) {
  await using child = Bun.spawn({
    cmd: ["sh", "-c", script],
    env: { ...process.env, BIG: big },
    stdin: "ignore",
    stdout: "pipe",
    stderr: "pipe",
  });
  const [stdout, stderr, exitCode] = await Promise.all([
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
    child.exited,
  ]);
  return { stdout, stderr, exitCode };
}

test("stdioSocket() carries 100 MiB through pipes, unchanged", async () => {
  using big = await bigFile();
  const ran = await shell(`cat "$BIG" | ${ECHO} | sha256sum`, big.path);
  expect(ran).toEqual({
    stdout: big.sumLine,
    stderr: "end, closed cleanly\n",
    exitCode: 0,
  });
});

test("stdioSocket() carries 100 MiB from file to file, unchanged", async () => {
  using big = await bigFile();
  const script = `${ECHO} < "$BIG" > "$BIG.copy" && sha256sum < "$BIG.copy"`;
  const ran = await shell(script, big.path);
  expect(ran).toEqual({
    stdout: big.sumLine,
    stderr: "end, closed cleanly\n",
    exitCode: 0,
  });
});

test("stdioSocket() works with nothing to read and nowhere to write", async () => {
  const ran = await shell(`${ECHO} < /dev/null > /dev/null`, "");
  expect(ran).toEqual({
    stdout: "",
    stderr: "end, closed cleanly\n",
    exitCode: 0,
  });
});

test("stdioSocket() says so when its reader has gone", async () => {
  using big = await bigFile();
  const script = `cat "$BIG" | ${ECHO} | head -c 10 > /dev/null`;
  const { stderr } = await shell(script, big.path);
  expect(stderr).toBe("closed streamReset\n");
});

test("stdioSocket() says so when the disk is full", async () => {
  using big = await bigFile();
  const { stderr } = await shell(`${ECHO} < "$BIG" > /dev/full`, big.path);
  expect(stderr).toBe("closed streamReset\n");
});

test("stdioSocket() lets the process end after a reset", async () => {
  await using child = Bun.spawn({
    cmd: [process.execPath, PROGRAM_PATH, "resetAtFirst"],
    stdin: "pipe",
    stdout: "pipe",
    stderr: "pipe",
  });
  child.stdin.write("x"); // And stays open.
  child.stdin.flush();
  expect(await new Response(child.stderr).text())
    .toBe("closed streamReset\n");
  expect(await child.exited).toBe(0);
});

testUnless(notLinux())(
  "stdioSocket() leaves no hole where standard output was",
  async () => {
    await using child = Bun.spawn({
      cmd: [process.execPath, PROGRAM_PATH, "endBeforeHandle"],
      stdin: "pipe",
      stdout: "pipe",
      ipc: () => undefined, // It waits for a cue that does not come.
    });
    expect(await new Response(child.stdout).text()).toBe("bye");
    // The end shows up here a moment before the null device is there.
    for (let turn = 0; turn < 1_000 && stdoutOf(child.pid) === ""; turn++) {
      await new Promise((resolve) => setImmediate(resolve));
    }
    expect(stdoutOf(child.pid)).toBe("/dev/null");
  },
);

test("stdioSocket() echoes a terminal, up to its end of file", async () => {
  const shown = Promise.withResolvers<void>();
  let screen = "";
  await using child = Bun.spawn({
    cmd: [process.execPath, PROGRAM_PATH, "echo"],
    terminal: {
      data: (_terminal, bytes) => {
        screen += new TextDecoder().decode(bytes);
        if (screen.includes("hello\r\nhello\r\n")) shown.resolve();
      },
    },
  });
  child.terminal?.write("hello\n");
  await shown.promise;
  child.terminal?.write("\x04"); // Ctrl-D on an empty line.
  expect(await child.exited).toBe(0);
  expect(screen).toContain("end, closed cleanly");
});

testUnless(notLinux())(
  "stdioSocket() keeps its memory flat while nobody reads",
  async () => {
    using big = await bigFile();
    const pipe = join(big.directory, "pipe");
    const inPipe = join(big.directory, "in");
    expect(Bun.spawnSync(["mkfifo", pipe, inPipe]).exitCode).toBe(0);
    const pipeFd = openSync(pipe, "r+");
    await using child = Bun.spawn({
      // The shell becomes the program, so that its process id is the child's.
      cmd: ["sh", "-c", `cat "$BIG" > "$IN" & exec ${ECHO} < "$IN"`],
      env: { ...process.env, BIG: big.path, IN: inPipe },
      stdout: pipeFd,
      stderr: "pipe",
    });
    await using sum = Bun.spawn({
      cmd: ["sh", "-c", `read go && exec sha256sum < "$1"`, "sh", pipe],
      stdin: "pipe",
      stdout: "pipe",
    });
    await standstill(() => readBytesOf(child.pid), 200);
    const rssBytes = rssOf(child.pid);
    sum.stdin.write("go\n");
    sum.stdin.end();
    expect(await new Response(child.stderr).text()).toBe(
      "end, closed cleanly\n",
    );
    closeSync(pipeFd);
    expect(await new Response(sum.stdout).text()).toBe(big.sumLine);
    expect(rssBytes).toBeGreaterThan(ECHO_RSS_MIN_BYTES);
    expect(rssBytes).toBeLessThan(ECHO_RSS_MAX_BYTES);
  },
);

/** How many bytes a process has read so far. */
function readBytesOf(pid: number): number {
  const io = readFileSync(`/proc/${pid}/io`, "utf8");
  return Number(/rchar: (\d+)/.exec(io)?.[1]);
}

/** Returns what a process has as its standard output; "" for a hole. */
function stdoutOf(pid: number): string {
  try {
    return readlinkSync(`/proc/${pid}/fd/1`);
  } catch {
    return ""; // The hole is what the caller looks for.
  }
}

function rssOf(pid: number): number {
  const status = readFileSync(`/proc/${pid}/status`, "utf8");
  return Number(/VmRSS:\s+(\d+) kB/.exec(status)?.[1]) * 1024;
}
