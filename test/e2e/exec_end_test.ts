import { afterAll, beforeAll, expect } from "bun:test";
import { runChild, startChild } from "../support/child.ts";
import { eventually } from "../support/eventually.ts";
import { pass } from "../support/pass.ts";
import { processesOf } from "../support/process_group.ts";
import { notLinux, testUnless } from "../support/test_unless.ts";
import { ExecSite } from "./exec_site.ts";

// Who is in a process group is looked up as Linux tells it.
const test = testUnless(notLinux());

let there: ExecSite;

beforeAll(async () => {
  there = await ExecSite.create();
}, 60_000);

afterAll(async () => await there?.[Symbol.asyncDispose](), 30_000);

test("exec --timeout ends the command, after its output", async () => {
  const startMs = performance.now();
  const { status, stdout, stderr } = await there.exec(
    "7",
    ["sh", "-c", "echo $$; sleep 60 & sleep 60"],
    ["--timeout", "1"],
  );
  expect([status, stderr]).toEqual([
    69,
    'migasfree-agent: Ended sh -c "echo $$; sleep 60 & sleep 60": ' +
    "it ran for more than 1 s, its limit\n" +
    "  hint: Give it more time with --timeout, up to the agent's own limit\n",
  ]);
  expect(performance.now() - startMs).toBeLessThan(4_000);
  expect(processesOf(Number(stdout))).toEqual([]);
});

test("Ctrl-C ends the command there, and exec says how", async () => {
  await using child = there.start(
    "trap 'echo bye; exit 9' TERM; echo $$; sleep 60 & wait",
  );
  const group = Number(await child.line(/^\d+$/));
  child.kill("SIGINT");
  expect(await child.exited).toBe(9);
  expect(child.output().stdout).toBe(`${group}\nbye\n`);
  await eventually("all have gone", () => processesOf(group).length === 0);
});

test(
  "a second Ctrl-C ends exec at once, and the device ends the command",
  async () => {
    await using child = there.start("trap '' TERM; echo $$; sleep 60");
    const group = Number(await child.line(/^\d+$/));
    child.kill("SIGINT");
    await pass(300); // It waits for a command that does not listen.
    expect(processesOf(group).length).toBeGreaterThan(0);
    const startMs = performance.now();
    child.kill("SIGINT");
    expect(await child.exited).toBe(130);
    expect(performance.now() - startMs).toBeLessThan(1_000);
    await eventually("all have gone", () => processesOf(group).length === 0);
  },
  20_000,
);

test(
  "a command that does not listen is left to the device after 5 s",
  async () => {
    await using child = there.start(
      "trap '' TERM; echo $$; sleep 60; sleep 60",
    );
    const group = Number(await child.line(/^\d+$/));
    const startMs = performance.now();
    child.kill("SIGINT");
    // Whichever is first: our 5 s, or those of the agent.
    expect([69, 137]).toContain(await child.exited);
    expect(performance.now() - startMs).toBeLessThan(6_500);
    await eventually("all have gone", () => processesOf(group).length === 0);
  },
  20_000,
);

test("a command ends when its operator is killed", async () => {
  await using child = there.start("echo $$; sleep 60 & sleep 60");
  const group = Number(await child.line(/^\d+$/));
  expect(processesOf(group).length).toBeGreaterThan(0);
  child.kill("SIGKILL");
  await child.exited;
  await eventually("all have gone", () => processesOf(group).length === 0);
}, 20_000);

test("a command ends when the operator's terminal goes away", async () => {
  await using child = there.start("echo $$; sleep 60 & sleep 60");
  const group = Number(await child.line(/^\d+$/));
  child.kill("SIGHUP");
  expect([129, 143]).toContain(await child.exited);
  await eventually("all have gone", () => processesOf(group).length === 0);
});

test("a command ends when nobody reads its output any more", async () => {
  const argv = there.argv("7", ["sh", "-c", "echo $$; exec yes"])
    .map((word) => `'${word}'`).join(" ");
  const { stdout } = await runChild(["sh", "-c", `${argv} | head -n 1`], {
    env: there.env,
  });
  expect(stdout).toMatch(/^\d+\n$/);
  await eventually(
    "all have gone",
    () => processesOf(Number(stdout)).length === 0,
  );
});

test(
  "exec runs as many commands at once as the agent allows, and says so",
  async () => {
    await using one = there.start("echo up; sleep 60");
    await using two = there.start("echo up; sleep 60");
    await Promise.all([one.line(/^up$/), two.line(/^up$/)]);
    const { status, stderr } = await there.exec("7", ["sh", "-c", "echo up"]);
    expect([status, stderr]).toEqual([
      69,
      expect.stringContaining("2 commands run already, the limit"),
    ]);
    one.kill("SIGINT");
    await one.exited;
    expect((await there.exec("7", ["sh", "-c", "echo up"])).status).toBe(0);
  },
  20_000,
);

test("an agent that is stopped ends its commands first", async () => {
  const { site, url } = there;
  const top = '[exec]\nallow = [["sh", "-c", "*"]]';
  const { child: agent } = await site.agent({ id: 10, url, services: {}, top });
  const script = ["sh", "-c", "echo $$; sleep 60 & sleep 60"];
  await using child = startChild(there.argv("10", script), { env: there.env });
  const group = Number(await child.line(/^\d+$/));
  agent.kill("SIGTERM");
  await agent.exited;
  expect(processesOf(group)).toEqual([]);
  expect(await child.exited).toBe(69);
}, 20_000);
