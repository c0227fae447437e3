import { expect, test } from "bun:test";
import { discover, type DiscoverPorts } from "../../src/agent/discover.ts";
import { Fault } from "../../src/protocol/fault.ts";
import { rejection } from "../support/rejection.ts";

const running = new AbortController().signal;
const ALL = { deviceId: true, conf: true, mayBePlain: false };
const ID_ONLY = { ...ALL, conf: false };
const CONF = "migasfree --quiet conf --json";
const ID = "migasfree --quiet info id";
const SUDO_ID = "sudo -n migasfree --quiet info id";

type Answer = Partial<Awaited<ReturnType<DiscoverPorts["runCommand"]>>> | Fault;

/** A machine whose programs answer what a test says; it notes who was asked. */
function machine(answers: Record<string, Answer>, hasSudo = true) {
  const asked: string[] = [];
  const ports: DiscoverPorts = {
    hasSudo,
    runCommand: (argv, timeoutMs) => {
      const line = argv.join(" ");
      asked.push(`${line} (${timeoutMs} ms)`);
      const answer = answers[line] ?? new Fault("programMissing", "not there");
      return answer instanceof Fault
        ? Promise.reject(answer)
        : Promise.resolve({ exitCode: 0, stdout: "", stderr: "", ...answer });
    },
  };
  return { asked, ports };
}

async function fault(answers: Record<string, Answer>, wanted = ID_ONLY) {
  const { ports } = machine(answers);
  return Fault.from(await rejection(discover(wanted, ports, running)));
}

test("items 1, 2: discover() asks for configuration and id, each with its time limit", async () => {
  const { asked, ports } = machine({
    [CONF]: { stdout: '{"server": "mf.example.org"}\n' },
    [ID]: { stdout: " 12\r\n" },
  });
  expect(await discover(ALL, ports, running)).toEqual({
    deviceId: 12,
    conf: {
      manager: "https://mf.example.org",
      name: undefined,
      caFile: undefined,
      certFile: undefined,
      keyFile: undefined,
      warnings: [],
    },
  });
  expect(asked).toEqual([`${CONF} (10000 ms)`, `${ID} (60000 ms)`]);
});

test("discover() asks for nothing that is not wanted", async () => {
  const { asked, ports } = machine({
    [CONF]: { stdout: "{}" },
    [ID]: { stdout: "12" },
  });
  const noId = { ...ALL, deviceId: false };
  const { deviceId } = await discover(noId, ports, running);
  const { conf } = await discover(ID_ONLY, ports, running);
  expect([deviceId, conf]).toEqual([undefined, undefined]);
  expect(asked).toEqual([`${CONF} (10000 ms)`, `${ID} (60000 ms)`]);
});

test("item 2: discover() asks for the id by sudo after any failure", async () => {
  const failures: Answer[] = [
    { exitCode: 1 },
    { stdout: "Computer not found" },
    new Fault("linkSilent", "late"),
    new Fault("messageTooLarge", "long"),
  ];
  for (const failure of failures) {
    const { asked, ports } = machine({
      [ID]: failure,
      [SUDO_ID]: { stdout: "12\n" },
    });
    const { deviceId } = await discover(ID_ONLY, ports, running);
    expect(deviceId).toBe(12);
    expect(asked).toEqual([`${ID} (60000 ms)`, `${SUDO_ID} (60000 ms)`]);
  }
});

test("discover() does not ask by sudo where there is none to ask", async () => {
  const failure = { [ID]: { exitCode: 1 }, [SUDO_ID]: { stdout: "12" } };
  const { asked, ports } = machine(failure, false);
  const error = await rejection(discover(ID_ONLY, ports, running));
  expect(Fault.from(error).code).toBe("configInvalid");
  expect(asked).toEqual([`${ID} (60000 ms)`]);
});

test("item 2: discover() takes an integer and nothing else for an id", async () => {
  const outputs = [
    ...["", "twelve", "12 13", "12\n13", "-12", "+12", "12.0", "1e3", "0x10"],
    ...["0", "٣", "2147483648", "99999999999999999999", "null", "1_000", "12;"],
    ...["12\0", `${" ".repeat(60_000)}x`, "1".repeat(60_000)],
  ];
  const found = [];
  for (const stdout of outputs) found.push(await fault({ [ID]: { stdout } }));
  expect(found.map(({ code, message }) => [code, message])).toEqual(
    outputs.map(() => [
      "configInvalid",
      "Cannot learn which device this computer is: " +
      `\`${ID}\` printed no device id`,
    ]),
  );
});

test("discover() says which command failed, and repeats its last line harmless", async () => {
  const stderr = "Traceback …\n\u001b[31mComputer is not registered\n\n";
  const id = await fault({ [ID]: { exitCode: 3, stderr } });
  expect([id.code, id.message, String(id.cause)]).toEqual([
    "configInvalid",
    `Cannot learn which device this computer is: \`${ID}\` ended with 3`,
    "Error: migasfree says: ?[31mComputer is not registered",
  ]);
  const stdout = `on stdout then ${"n".repeat(500)}`;
  const conf = await fault({ [CONF]: { exitCode: 1, stdout } }, ALL);
  expect([conf.code, conf.message, String(conf.cause)]).toEqual([
    "configInvalid",
    `Cannot read migasfree's configuration: \`${CONF}\` ended with 1`,
    `Error: migasfree says: on stdout then ${"n".repeat(284)}…`,
  ]);
});

test("discover() says that migasfree is missing, and does not try sudo", async () => {
  for (const wanted of [ALL, ID_ONLY]) {
    const { asked, ports } = machine({ [SUDO_ID]: { stdout: "12" } });
    const error = await rejection(discover(wanted, ports, running));
    expect([Fault.from(error).code, asked.length]).toEqual([
      "programMissing",
      1,
    ]);
  }
});

test("discover() tells of the first failure if sudo is missing, or fails too", async () => {
  const late = new Fault("linkSilent", "late");
  expect(await fault({ [ID]: late })).toBe(late);
  expect(await fault({ [ID]: late, [SUDO_ID]: { exitCode: 1 } })).toBe(late);
});

test("discover() stops when it is told to, between its questions too", async () => {
  const stop = new AbortController();
  const reason = new Error("Agent is stopping");
  const asked: string[] = [];
  const ports: DiscoverPorts = {
    hasSudo: true,
    runCommand: (argv) => {
      asked.push(argv.join(" "));
      stop.abort(reason);
      return Promise.reject(reason);
    },
  };
  const error = await rejection(discover(ID_ONLY, ports, stop.signal));
  expect(error).toBe(reason);
  expect(asked).toEqual([ID]);
});
