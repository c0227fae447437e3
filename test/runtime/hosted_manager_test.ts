import { expect, test } from "bun:test";
import { join } from "node:path";
import { hostedManager } from "../../src/runtime/hosted_manager.ts";

const PROGRAM = join(import.meta.dir, "hosted_program.ts");

test("hostedManager() says what systemd would hear, a line for each message", () => {
  const lines: string[] = [];
  const manager = hostedManager((line) => void lines.push(line));
  manager.feed();
  manager.ready("Online\nREADY=0");
  manager.status("Dialing");
  manager.reloading();
  manager.stopping();
  expect(lines).toEqual(["WATCHDOG=1\n", "READY=1\n", "STOPPING=1\n"]);
  // service_host.c waits for 30 s.
  expect(manager.feedEveryMs).toBe(5_000);
});

test("watchHost() hears the end of its input, and nothing before", async () => {
  const child = Bun.spawn([process.execPath, PROGRAM], {
    stdio: ["pipe", "pipe", "inherit"],
  });
  const reader = child.stdout.pipeThrough(new TextDecoderStream()).getReader();
  expect((await reader.read()).value).toBe("watching\n");
  child.stdin.write("nothing that anybody reads");
  await child.stdin.flush();
  child.kill("SIGUSR1");
  expect((await reader.read()).value).toBe("still watching\n");
  await child.stdin.end();
  expect((await reader.read()).value).toBe("ended\n");
  expect(await child.exited).toBe(0);
});
