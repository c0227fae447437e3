import { expect } from "bun:test";
import { Retirement } from "../../src/cli/agent_retirement.ts";
import { eventually } from "../support/eventually.ts";
import { ListLog } from "../support/list_log.ts";
import { notLinux, testUnless } from "../support/test_unless.ts";

const testHere = testUnless(notLinux());
const tunnel = "a tunnel";

testHere("Retirement ends an agent without tunnels at once", async () => {
  using retirement = new Retirement(new ListLog());
  process.kill(process.pid, "SIGUSR2");
  await eventually("it ends", () => retirement.signal.aborted);
});

testHere("Retirement waits for the last tunnel", async () => {
  const log = new ListLog();
  using retirement = new Retirement(log);
  retirement.show({ tunnels: [tunnel, tunnel] });
  process.kill(process.pid, "SIGUSR2");
  await eventually("it is heard", () => log.lines.length > 0);
  retirement.show({ tunnels: [tunnel] });
  expect(retirement.signal.aborted).toBe(false);
  retirement.show({ tunnels: [] });
  expect(retirement.signal.aborted).toBe(true);
});

testHere("Retirement lets an agent be that nobody has told to", () => {
  using retirement = new Retirement(new ListLog());
  retirement.show({ tunnels: [tunnel] });
  retirement.show({ tunnels: [] });
  expect(retirement.signal.aborted).toBe(false);
});
