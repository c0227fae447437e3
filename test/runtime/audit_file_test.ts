import { expect, test } from "bun:test";
import {
  appendFileSync,
  chmodSync,
  existsSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmdirSync,
  statSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import type { AuditRecord } from "../../src/policy/audit.ts";
import { Fault } from "../../src/protocol/fault.ts";
import { openAuditFile } from "../../src/runtime/audit_file.ts";
import { makeTemporaryDir } from "../support/temporary_dir.ts";

const WALL_MS = Date.UTC(2026, 2, 4, 5, 6, 7, 89);
const TIME = "2026-03-04T05:06:07.089Z";

const BOUND: AuditRecord = {
  event: "device.bound",
  deviceId: 7,
  subject: "CN=7,OU=COMPUTERS",
};

/** An audit in a directory of its own. */
async function makeAudit() {
  const dir = await makeTemporaryDir();
  const path = join(dir.path, "audit.jsonl");
  const failures: Fault[] = [];
  const open = () =>
    openAuditFile(path, {
      wallNow: () => WALL_MS,
      onFailure: (fault) => failures.push(fault),
    });
  const lines = (file = path) =>
    readFileSync(file, "utf8").split("\n").slice(0, -1);
  return { dir, path, failures, open, lines };
}

function bound(deviceId: number): string {
  return `{"time":"${TIME}","event":"device.bound","deviceId":${deviceId},` +
    `"subject":"CN=7,OU=COMPUTERS"}`;
}

test("write() appends one line of JSON that begins with the time", async () => {
  const { dir, path, open, lines } = await makeAudit();
  await using _dir = dir;
  await using audit = open();
  audit.write(BOUND);
  audit.write({ ...BOUND, deviceId: 8 });
  expect(lines()).toEqual([bound(7), bound(8)]);
  expect(readFileSync(path, "utf8").endsWith("\n")).toBe(true);
});

test("openAuditFile() makes a file for this user only, and keeps what is there", async () => {
  const { dir, path, open, lines } = await makeAudit();
  await using _dir = dir;
  {
    await using audit = open();
    expect(statSync(path).mode & 0o777).toBe(0o600);
    audit.write(BOUND);
  }
  chmodSync(path, 0o640);
  await using audit = open();
  audit.write({ ...BOUND, deviceId: 8 });
  expect(lines()).toEqual([bound(7), bound(8)]);
  // Who may read it besides was somebody's decision.
  expect(statSync(path).mode & 0o777).toBe(0o640);
});

test("write() keeps hostile text inside its line, short and harmless", async () => {
  const { dir, open, lines } = await makeAudit();
  await using _dir = dir;
  await using audit = open();
  audit.write({
    event: "link.refused",
    address: "192.0.2.7",
    subject: 'x"}\n{"event":"tunnel.opened"\u001b[2J\u202e\u2028\ud800',
    path: "/".repeat(100_000),
    code: "roleRefused",
    message: "\\",
  });
  const [line = "", ...more] = lines();
  expect(more).toEqual([]);
  const record = JSON.parse(line);
  expect(record.subject).toBe('x"}?{"event":"tunnel.opened"?[2J???');
  expect(record.path).toBe(`${"/".repeat(1_023)}…`);
  expect(record.message).toBe("\\");
  expect(Buffer.byteLength(line)).toBeLessThan(4_096);
});

test("write() leaves out what is not known", async () => {
  const { dir, open, lines } = await makeAudit();
  await using _dir = dir;
  await using audit = open();
  audit.write({ event: "device.released", deviceId: 7, subject: undefined });
  expect(lines()).toEqual([
    `{"time":"${TIME}","event":"device.released","deviceId":7}`,
  ]);
});

test("write() goes on in a new file when the old one was moved away", async () => {
  const { dir, path, open, lines } = await makeAudit();
  await using _dir = dir;
  await using audit = open();
  audit.write(BOUND);
  renameSync(path, `${path}.1`);
  audit.write({ ...BOUND, deviceId: 8 });
  expect(lines(`${path}.1`)).toEqual([bound(7)]);
  expect(lines()).toEqual([bound(8)]);
  expect(statSync(path).mode & 0o777).toBe(0o600);
});

test("write() goes on in the file that took the old one's place", async () => {
  const { dir, path, open, lines } = await makeAudit();
  await using _dir = dir;
  await using audit = open();
  audit.write(BOUND);
  renameSync(path, `${path}.1`);
  writeFileSync(path, "");
  audit.write({ ...BOUND, deviceId: 8 });
  expect(lines()).toEqual([bound(8)]);
});

test("write() appends after the file was cut to nothing", async () => {
  const { dir, path, open, lines } = await makeAudit();
  await using _dir = dir;
  await using audit = open();
  audit.write(BOUND);
  truncateSync(path, 0);
  audit.write({ ...BOUND, deviceId: 8 });
  expect(lines()).toEqual([bound(8)]);
});

test("openAuditFile() ends a line that was torn, before the next record", async () => {
  const { dir, path, open, lines } = await makeAudit();
  await using _dir = dir;
  writeFileSync(path, '{"time":"2026');
  await using audit = open();
  audit.write(BOUND);
  audit.write(BOUND);
  expect(lines()).toEqual(['{"time":"2026', bound(7), bound(7)]);
});

test("two audits of one file write whole lines", async () => {
  const { dir, path, open, lines } = await makeAudit();
  await using _dir = dir;
  await using one = open();
  await using other = open();
  for (let at = 0; at < 50; at++) {
    one.write(BOUND);
    other.write({ ...BOUND, deviceId: 8 });
    appendFileSync(path, "third\n");
  }
  expect(lines()).toEqual(
    Array.from({ length: 50 }, () => [bound(7), bound(8), "third"]).flat(),
  );
});

test("write() tells of each record it could not write, and mends itself", async () => {
  const { dir, path, failures, open, lines } = await makeAudit();
  await using _dir = dir;
  await using audit = open();
  renameSync(path, `${path}.1`);
  mkdirSync(path);
  audit.write(BOUND);
  audit.write(BOUND);
  expect(audit.failureCount).toBe(2);
  const told = failures.map(({ code, message }) => [code, message]);
  expect(told).toEqual(
    new Array(2).fill([
      "configInvalid",
      `Cannot write audit ${path}: it is a directory`,
    ]),
  );
  rmdirSync(path);
  audit.write({ ...BOUND, deviceId: 8 });
  expect(lines()).toEqual([bound(8)]);
  expect(audit.failureCount).toBe(2);
});

test("write() tells of a record that comes after the end", async () => {
  const { dir, failures, open, lines } = await makeAudit();
  await using _dir = dir;
  const audit = open();
  await audit[Symbol.asyncDispose]();
  await audit[Symbol.asyncDispose]();
  audit.write(BOUND);
  expect(failures.map(String)).toEqual([
    "Fault: Cannot write audit: it is closed",
  ]);
  expect(lines()).toEqual([]);
});

test("openAuditFile() throws when the file cannot be written at all", async () => {
  const { dir, path } = await makeAudit();
  await using _dir = dir;
  const ports = { wallNow: () => 0, onFailure: () => undefined };
  function refusal(file: string) {
    try {
      openAuditFile(file, ports);
    } catch (error) {
      if (error instanceof Fault) return [error.code, error.message];
      throw error;
    }
    return "opened";
  }
  expect(refusal(dir.path)).toEqual([
    "configInvalid",
    `Cannot write audit ${dir.path}: it is a directory`,
  ]);
  expect(refusal(join(path, "x"))).toEqual([
    "configInvalid",
    `Cannot write audit ${path}/x: there is no such file`,
  ]);
  expect(refusal("/dev/null")).toEqual([
    "configInvalid",
    "Cannot write audit /dev/null: it is no regular file",
  ]);
  expect(existsSync(path)).toBe(false);
});
