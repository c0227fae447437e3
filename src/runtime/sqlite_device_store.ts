import { Database } from "bun:sqlite";
import { closeSync, mkdirSync, openSync } from "node:fs";
import { join } from "node:path";
import type {
  ClaimResult,
  DeviceClaim,
  DevicePage,
  DeviceStore,
  StoredDevice,
} from "../policy/device_store.ts";
import { Fault } from "../protocol/fault.ts";
import { errorCode, fileFault } from "./files.ts";
import { sqliteFault } from "./sqlite_fault.ts";

const FILE_NAME = "devices.sqlite";
const SCHEMA_VERSION = 1;

/** How long a call may wait for another process; the whole gateway waits. */
const BUSY_TIMEOUT_MS = 2_000;

/** Most devices of one name that are found. Ours to choose. */
export const NAMESAKES_MAX_COUNT = 1_000;

/** Most device ids of one subject. Ours to choose: far above any test site. */
export const DEVICES_PER_SUBJECT_MAX_COUNT = 10_000;

const SCHEMA = `
  CREATE TABLE schema_version (version INTEGER NOT NULL) STRICT;
  INSERT INTO schema_version VALUES (${SCHEMA_VERSION});
  CREATE TABLE device (
    device_id INTEGER PRIMARY KEY,
    name TEXT NOT NULL,
    folded_name TEXT NOT NULL,
    subject TEXT NOT NULL,
    services TEXT NOT NULL,
    bound_at_ms INTEGER NOT NULL,
    seen_at_ms INTEGER NOT NULL
  ) STRICT;
  CREATE INDEX device_by_name ON device (folded_name, device_id);
  CREATE INDEX device_by_subject ON device (subject);
`;

/** A device, its services as a JSON array. */
type DeviceRow = Omit<StoredDevice, "services"> & { readonly services: string };

/**
 * Opens the device store in `stateDir`: a SQLite file for this user only, in
 * a directory that is made if it is missing.
 *
 * What is written survives the end of the process, and all but the last
 * moments before a power cut.
 *
 * @param create False: the store must be there already.
 * @throws {Fault} `configInvalid` if it cannot be read and written, is
 * damaged, or was written by a newer version.
 */
export function openDeviceStore(
  stateDir: string,
  { create = true }: { readonly create?: boolean } = {},
): SqliteDeviceStore {
  const path = join(stateDir, FILE_NAME);
  if (create) createEmpty(stateDir, path);
  let database: Database | undefined;
  try {
    database = new Database(path, { readwrite: true, strict: true });
    prepare(database, path);
    return new SqliteDeviceStore(database, path);
  } catch (error) {
    database?.close();
    if (error instanceof Fault) throw error;
    throw sqliteFault("configInvalid", "open device store", path, error);
  }
}

/** Made by {@linkcode openDeviceStore}. */
export class SqliteDeviceStore implements DeviceStore, Disposable {
  readonly #database: Database;
  readonly #path: string;
  readonly #claim: (claim: DeviceClaim) => ClaimResult;

  constructor(database: Database, path: string) {
    this.#database = database;
    this.#path = path;
    // Immediate: whoever reads the binding is alone until it has written.
    this.#claim =
      database.transaction((claim: DeviceClaim) => claimNow(database, claim))
        .immediate;
  }

  claim(claim: DeviceClaim): ClaimResult {
    return this.#do("write", () => this.#claim(claim));
  }

  seen(deviceId: number, nowMs: number, services: readonly string[]): void {
    this.#do("write", () =>
      this.#database.query(
        `UPDATE device SET seen_at_ms = $nowMs, services = $services
         WHERE device_id = $deviceId`,
      ).run({ deviceId, nowMs, services: JSON.stringify(services) }));
  }

  find(deviceId: number): StoredDevice | undefined {
    const [device] = this.#select("WHERE device_id = $deviceId", { deviceId });
    return device;
  }

  findByName(name: string): StoredDevice[] {
    return this.#select(
      `WHERE folded_name = $folded ORDER BY device_id
       LIMIT ${NAMESAKES_MAX_COUNT}`,
      { folded: folded(name) },
    );
  }

  list({ limit, after }: DevicePage): StoredDevice[] {
    return this.#select(
      "WHERE device_id > $after ORDER BY device_id LIMIT $limit",
      { after, limit },
    );
  }

  release(deviceId: number): boolean {
    const { changes } = this.#do(
      "write",
      () =>
        this.#database.query("DELETE FROM device WHERE device_id = $deviceId")
          .run({ deviceId }),
    );
    return changes > 0;
  }

  [Symbol.dispose](): void {
    this.#database.close();
  }

  #select(
    where: string,
    values: Record<string, string | number>,
  ): StoredDevice[] {
    return this.#do(
      "read",
      () =>
        this.#database.query<DeviceRow, [Record<string, string | number>]>(
          `SELECT device_id AS deviceId, name, subject, services,
           bound_at_ms AS boundAtMs, seen_at_ms AS seenAtMs
         FROM device ${where}`,
        ).all(values).map(deviceOf),
    );
  }

  #do<T>(action: "read" | "write", work: () => T): T {
    try {
      return work();
    } catch (error) {
      if (error instanceof Fault) throw error;
      const what = `${action} device store`;
      throw sqliteFault("internal", what, this.#path, error);
    }
  }
}

/** @throws {Fault} `quotaExceeded`; the transaction is then rolled back. */
function claimNow(database: Database, claim: DeviceClaim): ClaimResult {
  const { deviceId, name, subject, nowMs } = claim;
  const bound = database.query<{ subject: string }, [{ deviceId: number }]>(
    "SELECT subject FROM device WHERE device_id = $deviceId",
  ).get({ deviceId });
  if (bound && bound.subject !== subject) {
    return { tag: "taken", subject: bound.subject };
  }
  const values = { deviceId, name, folded: folded(name), nowMs };
  if (bound) {
    database.query(
      `UPDATE device
       SET name = $name, folded_name = $folded, seen_at_ms = $nowMs
       WHERE device_id = $deviceId`,
    ).run(values);
    return { tag: "bound" };
  }
  refuseTooMany(database, subject);
  database.query(
    `INSERT INTO device (device_id, name, folded_name, subject, services,
       bound_at_ms, seen_at_ms)
     VALUES ($deviceId, $name, $folded, $subject, '[]', $nowMs, $nowMs)`,
  ).run({ ...values, subject });
  return { tag: "first" };
}

function refuseTooMany(database: Database, subject: string): void {
  const held = database.query<{ count: number }, [{ subject: string }]>(
    "SELECT COUNT(*) AS count FROM device WHERE subject = $subject",
  ).get({ subject });
  if ((held?.count ?? 0) < DEVICES_PER_SUBJECT_MAX_COUNT) return;
  throw new Fault(
    "quotaExceeded",
    `Cannot bind device: this certificate holds ` +
      `${DEVICES_PER_SUBJECT_MAX_COUNT} ids, the limit`,
    { hint: "Give each computer a certificate of its own" },
  );
}

function deviceOf(row: DeviceRow): StoredDevice {
  return { ...row, services: JSON.parse(row.services) };
}

/** As names are compared: SQLite folds ASCII only. */
export function folded(name: string): string {
  return name.normalize("NFC").toLowerCase();
}

/** SQLite would make the file for all to read; its journals do as it does. */
function createEmpty(stateDir: string, path: string): void {
  try {
    mkdirSync(stateDir, { recursive: true, mode: 0o700 });
    closeSync(openSync(path, "wx", 0o600));
  } catch (error) {
    if (errorCode(error) === "EEXIST") return;
    throw fileFault("create device store", path, error);
  }
}

/** @throws {Fault} `configInvalid` if another version has written the file. */
function prepare(database: Database, path: string): void {
  database.run(`PRAGMA busy_timeout = ${BUSY_TIMEOUT_MS}`);
  database.run("PRAGMA journal_mode = WAL");
  // With WAL no damage can follow, at the price of what is said above.
  database.run("PRAGMA synchronous = NORMAL");
  const check = database.query<{ quick_check: string }, []>(
    "PRAGMA quick_check(1)",
  ).get();
  if (check?.quick_check !== "ok") throw damaged(path);
  database.transaction(() => migrate(database, path)).immediate();
}

function migrate(database: Database, path: string): void {
  const hasTable = database.query(
    "SELECT 1 FROM sqlite_schema WHERE name = 'schema_version'",
  ).get();
  // A later version adds here the steps from each older one.
  if (!hasTable) return void database.run(SCHEMA);
  const row = database.query<{ version: number }, []>(
    "SELECT version FROM schema_version",
  ).get();
  if (row?.version === SCHEMA_VERSION) {
    // SQLite opens for reading what may not be written, and says so later.
    return void database.run("UPDATE schema_version SET version = version");
  }
  throw new Fault(
    "configInvalid",
    `Cannot open device store ${path}: it is of version ` +
      `${row?.version ?? "unknown"}, this program knows ${SCHEMA_VERSION}`,
    { hint: "Run the version of migasfree-agent that wrote it" },
  );
}

function damaged(path: string): Fault {
  const error = Object.assign(new Error("PRAGMA quick_check"), {
    code: "SQLITE_CORRUPT",
  });
  return sqliteFault("configInvalid", "open device store", path, error);
}
