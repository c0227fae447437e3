import { Fault, type FaultCode } from "../protocol/fault.ts";
import { errorCode } from "./files.ts";

/** What the codes of SQLite mean to a person, and what to do. */
const REASONS: Readonly<Record<string, readonly [fact: string, hint: string]>> =
  {
    SQLITE_NOTADB: ["it is no database", "Name another directory, or move it"],
    SQLITE_CORRUPT: [
      "it is damaged",
      "Restore it from a backup, or move it away and let it be made anew",
    ],
    SQLITE_CANTOPEN: [
      "it cannot be opened",
      "Check who owns it and its folder",
    ],
    SQLITE_PERM: ["this user may not", "Check who owns it and its folder"],
    SQLITE_AUTH: ["this user may not", "Check who owns it and its folder"],
    SQLITE_READONLY: [
      "this user may not write it",
      "Check who owns it and its folder, and that the disk is writable",
    ],
    SQLITE_FULL: ["the disk is full", "Free some space"],
    SQLITE_IOERR: ["the disk does not answer", "Check the disk"],
    SQLITE_BUSY: ["another process keeps it locked", "End that process"],
    SQLITE_LOCKED: ["another process keeps it locked", "End that process"],
  };

/**
 * Makes a fault of what SQLite threw.
 *
 * @param action What could not be done, and to what: "open device store".
 */
export function sqliteFault(
  code: FaultCode,
  action: string,
  path: string,
  error: unknown,
): Fault {
  const said = errorCode(error) ?? "no code";
  // SQLITE_IOERR_WRITE is a kind of SQLITE_IOERR.
  const primary = said.split("_", 2).join("_");
  const [fact, hint] = REASONS[primary] ??
    [`SQLite says ${said}`, "Check the path and the disk"];
  return new Fault(code, `Cannot ${action} ${path}: ${fact}`, {
    hint,
    cause: error,
  });
}
