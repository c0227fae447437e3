import { expect, test } from "bun:test";
import { type ClonePolicy, CloneWatch } from "../../src/gateway/clone_watch.ts";
import type { DeviceSession } from "../../src/gateway/device_session.ts";
import { GatewayMetrics } from "../../src/gateway/metrics.ts";
import type { GatewayPorts } from "../../src/gateway/ports.ts";
import type { AuditRecord } from "../../src/policy/audit.ts";
import { ListLog } from "../support/list_log.ts";
import { ManualClock } from "../support/manual_clock.ts";

const MINUTE_MS = 60_000;

/** A device whose control links come one after the other. */
function makeDevice(onClone: ClonePolicy = "report") {
  const clock = new ManualClock();
  const audit: AuditRecord[] = [];
  const ended: (string | undefined)[] = [];
  const claims: string[] = [];
  const ports = {
    ...{ clock, log: new ListLog(), onClone },
    audit: { write: (record: AuditRecord) => void audit.push(record) },
    metrics: new GatewayMetrics({ version: "0", commit: "0" }),
    store: {
      release: () => true,
      claim: ({ subject }: { subject: string }) => {
        claims.push(subject);
        return { tag: "first" };
      },
    },
  } as unknown as GatewayPorts;
  const watch = new CloneWatch(ports);
  let live: DeviceSession | undefined;
  const come = async (
    instance: string | undefined,
    { address = "192.0.2.1", isAlone = false } = {},
  ) => {
    const session = {
      ...{ deviceId: 7, name: "a", subject: "CN=a", address, instance },
      end: () => void ended.push(instance),
    } as unknown as DeviceSession;
    const older = isAlone ? undefined : live;
    live = session;
    await watch.attached(session, older);
  };
  const comeFromElsewhere = async (instance: string, other: string) => {
    await come(instance, { isAlone: true });
    if (live) await watch.replacedElsewhere(live, other);
  };
  return { audit, claims, clock, come, comeFromElsewhere, ended };
}

test("CloneWatch reports two instances that take turns, with where they are", async () => {
  const { audit, clock, come, ended } = makeDevice();
  for (const turn of ["a", "b", "a", "b"]) {
    await come(turn, { address: `host-${turn}` });
    await clock.advance(4 * MINUTE_MS);
  }
  expect(audit).toEqual([]);
  await come("a", { address: "host-a" });
  expect(audit).toEqual([{
    ...{ event: "device.cloned", deviceId: 7, subject: "CN=a" },
    ...{ addresses: ["host-b", "host-a"], quarantined: false },
  }]);
  expect(ended).toEqual([]);
});

test("CloneWatch quarantines if that is the policy, and ends the link", async () => {
  const { audit, claims, come, ended } = makeDevice("quarantine");
  for (const turn of ["a", "b", "a", "b", "a"]) await come(turn);
  expect(audit).toMatchObject([{ quarantined: true }]);
  expect(claims).toEqual(["quarantined: CN=a"]);
  expect(ended).toEqual(["a"]);
});

test("CloneWatch takes no agent that roams or reconnects for a clone", async () => {
  const { audit, come } = makeDevice();
  for (let at = 0; at < 50; at++) {
    await come("a", { address: `192.0.2.${at % 3}` });
  }
  expect(audit).toEqual([]);
});

test("CloneWatch takes no agent that is started again and again for a clone", async () => {
  const { audit, come } = makeDevice();
  for (let at = 0; at < 50; at++) await come(`start-${at}`);
  expect(audit).toEqual([]);
});

test("CloneWatch does not count a link that came when none stood", async () => {
  const { audit, come } = makeDevice();
  for (let at = 0; at < 20; at++) {
    await come(at % 2 === 0 ? "a" : "b", { isAlone: true });
  }
  expect(audit).toEqual([]);
});

test("CloneWatch forgets turns that are an hour old", async () => {
  const { audit, clock, come } = makeDevice();
  for (let at = 0; at < 20; at++) {
    await come(at % 2 === 0 ? "a" : "b");
    await clock.advance(31 * MINUTE_MS);
  }
  expect(audit).toEqual([]);
});

test("CloneWatch says nothing about agents that do not say which start they are", async () => {
  const { audit, come } = makeDevice();
  for (let at = 0; at < 20; at++) await come(undefined);
  expect(audit).toEqual([]);
});

test("CloneWatch notices a clone that is at another gateway meanwhile", async () => {
  const { audit, clock, comeFromElsewhere } = makeDevice();
  for (let turn = 0; turn < 4; turn++) {
    expect(audit).toEqual([]);
    await comeFromElsewhere("a", "b");
    await clock.advance(8 * MINUTE_MS);
  }
  expect(audit).toMatchObject([{
    addresses: ["another gateway", "192.0.2.1"],
  }]);
});

test("CloneWatch takes no agent that moves between gateways for a clone", async () => {
  const { audit, comeFromElsewhere } = makeDevice();
  for (let turn = 0; turn < 20; turn++) await comeFromElsewhere("a", "a");
  for (let turn = 0; turn < 20; turn++) {
    await comeFromElsewhere(`start-${turn + 1}`, `start-${turn}`);
  }
  expect(audit).toEqual([]);
});
