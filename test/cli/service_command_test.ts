import { expect, test } from "bun:test";
import { runService } from "../../src/cli/service_command.ts";
import type {
  ServiceControl,
  ServiceState,
} from "../../src/runtime/service_control.ts";

const RUNNING: ServiceState = {
  system: "launchd",
  isInstalled: true,
  isEnabled: true,
  isRunning: true,
  pid: 812,
  detail: "running",
};

function sample(state: ServiceState = RUNNING) {
  const asked: string[] = [];
  const lines = { answer: [] as string[], say: [] as string[] };
  const act = (what: string) => {
    asked.push(what);
    return Promise.resolve([`Did ${what}`]);
  };
  const control: ServiceControl = {
    install: () => act("install"),
    uninstall: (purges) => act(purges ? "purge" : "uninstall"),
    start: () => act("start"),
    stop: () => act("stop"),
    state: () => Promise.resolve(state),
  };
  const output = {
    answer: (line: string) => void lines.answer.push(line),
    say: (line: string) => void lines.say.push(line),
  };
  return { asked, control, lines, output };
}

test("runService() does what it is told, and says what was done", async () => {
  const { asked, control, lines, output } = sample();
  for (const verb of ["install", "start", "stop", "uninstall"] as const) {
    expect(await runService(verb, {}, output, control)).toBe(0);
  }
  await runService("uninstall", { purge: true }, output, control);
  expect(asked).toEqual(["install", "start", "stop", "uninstall", "purge"]);
  expect(lines).toEqual({
    answer: [],
    say: asked.map((what) => `Did ${what}`),
  });
});

test("runService() shows the state, and leaves with 0 only if it runs", async () => {
  const running = sample();
  expect(await runService("status", {}, running.output, running.control))
    .toBe(0);
  expect(running.lines).toEqual({
    answer: [
      "service  of launchd",
      "state    running",
      "at boot  is started",
      "process  812",
    ],
    say: [],
  });
  const gone = sample({
    ...RUNNING,
    isInstalled: false,
    isEnabled: false,
    isRunning: false,
    pid: undefined,
    detail: "not installed",
  });
  expect(await runService("status", {}, gone.output, gone.control)).toBe(69);
  expect(gone.lines.answer).toEqual([
    "service  not installed",
    "state    not installed",
    "at boot  is not started",
    "process  none",
  ]);
});

test("runService() shows the state as JSON", async () => {
  const { control, lines, output } = sample();
  await runService("status", { json: true }, output, control);
  expect(lines.answer.map((line) => JSON.parse(line))).toEqual([{
    system: "launchd",
    installed: true,
    enabled: true,
    running: true,
    pid: 812,
    state: "running",
  }]);
});
