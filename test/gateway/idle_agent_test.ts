import { expect, test } from "bun:test";

/**
 * Its link, session, heartbeat entry, slot and two places in it, what says
 * that it is online; name, subject, address and instance. Two more are for
 * what the runtime makes on its own account.
 */
const OBJECTS_MAX_COUNT = 11 + 2;

test("An idle agent is a dozen objects to its gateway, and no promise", () => {
  const program = `${import.meta.dir}/../support/idle_agents.ts`;
  const { exitCode, stderr, stdout } = Bun.spawnSync([
    process.execPath,
    program,
  ]);
  expect([exitCode, stderr.toString()]).toEqual([0, ""]);
  const perAgent = Number(stdout.toString());
  expect(perAgent).toBeGreaterThan(4);
  expect(perAgent).toBeLessThan(OBJECTS_MAX_COUNT);
});
