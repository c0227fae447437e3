import { expect } from "bun:test";
import { readFileSync } from "node:fs";
import { eventually, quiet } from "../support/eventually.ts";
import { pass } from "../support/pass.ts";
import { processesOf } from "../support/process_group.ts";
import { residentBytes } from "../support/process_memory.ts";
import { notLinux, testUnless } from "../support/test_unless.ts";
import { ExecEar } from "./exec_ear.ts";

// Who is in a process group is looked up as Linux tells it.
const test = testUnless(notLinux());

function sh(script: string): ExecEar {
  return new ExecEar(["sh", "-c", script]);
}

/** Starts `script`, which says its process id first: that of its group. */
async function group(script: string): Promise<[ExecEar, number]> {
  const ear = sh(`echo $$; ${script}`);
  await eventually("it has said its id", () => ear.text().includes("\n"));
  return [ear, Number.parseInt(ear.text(), 10)];
}

function sleepersOf(group: number): number[] {
  return processesOf(group).filter((pid) =>
    readFileSync(`/proc/${pid}/comm`, "utf8") === "sleep\n"
  );
}

test("ExecProcess.stop() ends the program and all that it has started, kindly", async () => {
  const [ear, pid] = await group(
    "trap 'echo bye; exit 7' TERM; sleep 100 & sleep 100 & wait; wait",
  );
  // Until it is a sleep, a child of the shell has the shell's trap.
  await eventually("both sleep", () => sleepersOf(pid).length === 2);
  const startMs = performance.now();
  ear.process.stop();
  ear.process.stop();
  expect(await ear.exit).toEqual({ code: 7 });
  await ear.process.gone;
  expect(ear.text()).toBe(`${pid}\nbye\n`);
  expect(processesOf(pid)).toEqual([]);
  // Before the 5 s after which it would be killed.
  expect(performance.now() - startMs).toBeLessThan(4_500);
});

test("ExecProcess.stop() kills what does not listen, after 5 s", async () => {
  const [ear, pid] = await group("trap '' TERM; (sleep 100) & sleep 100");
  await eventually("both have started", () => processesOf(pid).length >= 2);
  const startMs = performance.now();
  ear.process.stop();
  expect(await ear.exit).toEqual({ signal: "SIGKILL" });
  await ear.process.gone;
  const ms = performance.now() - startMs;
  expect(processesOf(pid)).toEqual([]);
  expect([ms > 4_900, ms < 7_000]).toEqual([true, true]);
}, 15_000);

test(
  "ExecProcess.stop() is not over before a stubborn child has gone, too",
  async () => {
    const [ear, pid] = await group(
      "(trap '' TERM; sleep 100; sleep 100) >/dev/null 2>&1 & sleep 100",
    );
    await eventually("all have started", () => processesOf(pid).length === 4);
    ear.process.stop();
    expect(await ear.exit).toEqual({ signal: "SIGTERM" });
    expect(processesOf(pid).length).toBeGreaterThan(0);
    await ear.process.gone;
    await eventually("nobody is left", () => processesOf(pid).length === 0);
  },
  15_000,
);

test("ExecProcess.abandon() ends a program that writes and nobody reads", async () => {
  const [ear, pid] = await group("yes");
  ear.process.pause();
  const count = await quiet(() => ear.chunkCount);
  ear.process.abandon();
  await ear.process.gone;
  expect(processesOf(pid)).toEqual([]);
  // It has forgotten what had not been told.
  expect(ear.chunkCount).toBe(count);
  expect(await ear.exit).toHaveProperty("signal");
});

test(
  "ExecProcess.pause() stops the program by its pipe, in flat memory, and resume() loses nothing",
  async () => {
    const lines = 20_000_000;
    const [ear] = await group(`seq 1 ${lines} | tail -c 100000000; exit 4`);
    await eventually("it writes", () => ear.chunkCount > 3);
    ear.process.pause();
    const count = await quiet(() => ear.chunkCount);
    const beforeBytes = await residentBytes(process.pid);
    await pass(1_000);
    const grownBytes = await residentBytes(process.pid) - beforeBytes;
    expect(ear.chunkCount).toBe(count);
    expect(grownBytes).toBeLessThan(8 * 1024 * 1024);
    ear.process.resume();
    expect(await ear.exit).toEqual({ code: 4 });
    const text = ear.text();
    expect(text.slice(text.indexOf("\n") + 1).length).toBe(100_000_000);
    expect(text.endsWith(`\n${lines}\n`)).toBeTrue();
  },
  30_000,
);

test("ExecProcess waits for what is still in the pipe, however late it is read", async () => {
  const ear = sh("seq 1 5000");
  ear.process.pause();
  // Longer than it waits for those who hold a pipe open.
  await pass(2_500);
  ear.process.resume();
  expect(await ear.exit).toEqual({ code: 0 });
  expect(ear.text().split("\n").length).toBe(5_001);
});

test("ExecProcess does not wait for what its program has left running", async () => {
  const [ear, pid] = await group("sleep 30 & echo $!");
  const startMs = performance.now();
  expect(await ear.exit).toEqual({ code: 0 });
  await ear.process.gone;
  expect(performance.now() - startMs).toBeLessThan(4_000);
  const left = processesOf(pid);
  expect(left).toEqual([Number(ear.text().split("\n")[1])]);
  for (const one of left) process.kill(one, "SIGKILL");
});
