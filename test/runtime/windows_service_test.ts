import { expect, test } from "bun:test";
import { WindowsService } from "../../src/runtime/windows_service.ts";
import { FakeServiceMachine } from "../support/fake_service_machine.ts";
import { rejection } from "../support/rejection.ts";

const DIR = "C:\\Program Files\\migasfree-agent";
const PROGRAM = `${DIR}\\migasfree-agent.exe`;
const HOST = `${DIR}\\migasfree-agent-service.exe`;
const DATA = "C:\\ProgramData\\migasfree-agent";
const SIGNAL = AbortSignal.timeout(60_000);
const PLACES = { systemRoot: "C:\\Windows", programData: "C:\\ProgramData" };

/** A Windows whose service host answers as the real one does. */
class Windows {
  /** 0: there is no service; else as in SERVICE_STATUS_PROCESS. */
  state = 0;
  /** Instead of what it would be. */
  error: number | undefined;
  /** Lines that --install prints before. */
  said = "";
  /** States to go through, one for each question. */
  readonly coming: number[] = [];
  readonly machine: FakeServiceMachine;
  readonly service: WindowsService;

  constructor() {
    this.machine = new FakeServiceMachine(PROGRAM, (line) => this.#run(line));
    this.machine.isPrivileged = undefined;
    this.machine.tree.set(HOST, "program");
    this.service = new WindowsService(this.machine, PLACES);
  }

  /** What the host was asked since the last call. */
  asked(): string[] {
    return this.machine.takeRan().filter((line) => line.startsWith(HOST))
      .map((line) => line.slice(HOST.length + 1))
      .filter((line) => line !== "--query");
  }

  #run(line: string) {
    if (!line.startsWith(HOST)) return 0;
    const verb = line.slice(HOST.length + 1).split(" ")[0] ?? "";
    if (verb === "--query") this.state = this.coming.shift() ?? this.state;
    const error = this.error ?? this.#act(verb);
    const text = verb === "--query" && error === 0
      ? `${this.state} ${this.state === 4 ? 812 : 0}\r\n`
      : verb === "--install"
      ? this.said
      : "";
    return {
      exitCode: error === 0 ? 0 : 1,
      stdout: `${text}error ${error}\r\n`,
    };
  }

  #act(verb: string): number {
    const was = this.state;
    if (verb === "--install") this.state = was === 0 ? 1 : was;
    else if (was === 0) return 1060;
    if (verb === "--delete") this.state = 0;
    if (verb === "--start") {
      this.state = 4;
      return was === 4 ? 1056 : 0;
    }
    if (verb === "--stop") {
      this.state = 1;
      return was === 1 ? 1062 : 0;
    }
    return 0;
  }
}

test("install() makes a service that runs the host, and protects the data", async () => {
  const { machine, service } = new Windows();
  expect(await service.install(SIGNAL)).toEqual([
    "Made the service migasfree-agent, as NT SERVICE\\migasfree-agent",
    "It runs: process 812",
  ]);
  expect(machine.ran.slice(1, 4)).toEqual([
    `${HOST} --install ${HOST} ${PROGRAM} run --hosted --log-file ` +
    `${DATA}\\log\\agent.log`,
    `C:\\Windows\\System32\\icacls.exe ${DATA} /inheritance:r /grant:r ` +
    "*S-1-5-18:(OI)(CI)F *S-1-5-32-544:(OI)(CI)F " +
    "NT SERVICE\\migasfree-agent:(OI)(CI)M",
    `${HOST} --start`,
  ]);
  expect([...machine.tree]).toEqual([[HOST, "program"], [`${DATA}/`, "700"]]);
});

test("install() sets up anew what is there, and says what Windows lacks", async () => {
  const windows = new Windows();
  await windows.service.install(SIGNAL);
  windows.asked();
  windows.said = "without delayed start: error 124\r\n";
  expect(await windows.service.install(SIGNAL)).toEqual([
    "The service was there already: set up anew",
    "without delayed start: error 124",
    "It runs: process 812",
  ]);
  expect(windows.asked().map((line) => line.split(" ")[0])).toEqual([
    "--install",
    "--stop",
    "--start",
  ]);
});

test("each verb tells who is no administrator what to do", async () => {
  for (const verb of ["install", "start", "stop"] as const) {
    const windows = new Windows();
    windows.error = 5;
    const action = verb === "install" ? "look at" : verb;
    expect(await rejection(windows.service[verb](SIGNAL))).toMatchObject({
      code: "configInvalid",
      message: `Cannot ${action} the service: this user is no administrator`,
      hint: 'Open a terminal by "Run as administrator", and say it there',
    });
  }
});

test("each verb wants the host beside the program", async () => {
  const { machine, service } = new Windows();
  machine.tree.delete(HOST);
  expect(await rejection(service.install(SIGNAL))).toMatchObject({
    code: "programMissing",
    message: `Cannot look at the service: there is no ${HOST}`,
  });
});

test("an error that nobody knows is told with its number", async () => {
  const windows = new Windows();
  windows.error = 1115;
  expect(await rejection(windows.service.start(SIGNAL))).toMatchObject({
    code: "configInvalid",
    message: `Cannot start the service: ${HOST}: error 1115`,
  });
});

test("start() and stop() want a service, and take one that is there already", async () => {
  const windows = new Windows();
  for (const verb of ["start", "stop"] as const) {
    expect(await rejection(windows.service[verb](SIGNAL))).toMatchObject({
      code: "programMissing",
      message: `Cannot ${verb} the service: it is not installed`,
    });
  }
  await windows.service.install(SIGNAL);
  expect(await windows.service.start(SIGNAL)).toEqual(["It runs: process 812"]);
  const stopped = ["Stopped, until the next boot"];
  expect(await windows.service.stop(SIGNAL)).toEqual(stopped);
  expect(await windows.service.stop(SIGNAL)).toEqual(stopped);
});

test("stop() waits until it has stopped, and says if it does not", async () => {
  const windows = new Windows();
  await windows.service.install(SIGNAL);
  windows.coming.push(3, 3, 3, 1);
  await windows.service.stop(SIGNAL);
  expect(windows.machine.sleptMs).toBe(750);
  windows.coming.push(...Array<number>(50).fill(3));
  expect(await rejection(windows.service.stop(SIGNAL))).toMatchObject({
    code: "linkSilent",
    message: "Cannot stop the service: after 10 s it is stopping",
  });
});

test("uninstall() stops and removes, keeps the data, and purges it", async () => {
  const windows = new Windows();
  await windows.service.install(SIGNAL);
  windows.machine.tree.set(`${DATA}\\agent.toml`, "device_id = 7");
  windows.asked();
  await windows.service.uninstall(false, SIGNAL);
  expect(windows.asked()).toEqual(["--stop", "--delete"]);
  expect(windows.machine.tree.has(`${DATA}\\agent.toml`)).toBe(true);
  expect(await windows.service.uninstall(true, SIGNAL)).toEqual([
    "Not installed: nothing to remove",
    `Removed ${DATA}`,
  ]);
  expect([...windows.machine.tree.keys()]).toEqual([HOST]);
});

test("state() reads what the host says", async () => {
  const windows = new Windows();
  const state = { system: "windows", pid: undefined } as const;
  expect(await windows.service.state(SIGNAL)).toEqual({
    ...state,
    isInstalled: false,
    isEnabled: false,
    isRunning: false,
    detail: "not installed",
  });
  windows.state = 2;
  expect(await windows.service.state(SIGNAL)).toEqual({
    ...state,
    isInstalled: true,
    isEnabled: true,
    isRunning: false,
    detail: "starting",
  });
});
