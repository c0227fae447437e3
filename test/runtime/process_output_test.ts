import { expect, test } from "bun:test";
import { residentBytes } from "../support/process_memory.ts";
import { standstill } from "../support/standstill.ts";

const PROGRAM = new URL("process_output_program.ts", import.meta.url).pathname;

const MUCH_BYTES = 512 * 1024 * 1024;
/** A small program on Bun, and what a pipe and its buffers hold. */
const SIZE_MAX_BYTES = 128 * 1024 * 1024;

/** Starts the program with the file, or what `input` says, as its input. */
function start(input: Blob | "ignore" | Bun.BunFile) {
  return Bun.spawn([process.execPath, PROGRAM], {
    stdio: [input, "pipe", "pipe"],
  });
}

function sh(script: string) {
  return Bun.spawn(["sh", "-c", script, "sh", process.execPath, PROGRAM], {
    stdio: ["ignore", "pipe", "pipe"],
  });
}

test(
  "ProcessOutput writes no faster than its reader reads, and loses nothing",
  async () => {
    const child = start(Bun.file("/dev/zero"));
    const reader = child.stdout.getReader();
    const first = await reader.read();
    await standstill(() => residentBytes(child.pid), 300);
    expect(await residentBytes(child.pid)).toBeLessThan(SIZE_MAX_BYTES);
    let size = first.value?.length ?? 0;
    while (size < MUCH_BYTES) {
      const { value } = await reader.read();
      expect(value?.every((byte) => byte === 0)).toBeTrue();
      size += value?.length ?? MUCH_BYTES;
    }
    expect(size).toBeLessThan(MUCH_BYTES + SIZE_MAX_BYTES);
    await reader.cancel();
    child.kill("SIGKILL");
    await child.exited;
  },
  30_000,
);

test("ProcessOutput passes 20 MB on, and says when all is taken", async () => {
  const child = sh('seq 1 2700000 | "$@" | tail -c 9');
  expect(await new Response(child.stdout).text()).toBe("\n2700000\n");
  expect(await new Response(child.stderr).text()).toBe("waited");
}, 30_000);

test("ProcessOutput says that its reader has gone", async () => {
  const child = sh('yes | "$@" | head -c 1');
  expect(await new Response(child.stderr).text())
    .toBe(
      "streamReset: Cannot write to standard output: " +
        "the other program has gone\n",
    );
  expect(await new Response(child.stdout).text()).toBe("y");
}, 20_000);

test("ProcessOutput writes to files", async () => {
  const child = sh('f=$(mktemp); seq 1 9 | "$@" > "$f"; cat "$f"; rm "$f"');
  expect(await new Response(child.stdout).text())
    .toBe("1\n2\n3\n4\n5\n6\n7\n8\n9\n");
}, 20_000);
