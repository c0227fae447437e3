import { lstatSync } from "node:fs";
import { dirname } from "node:path";
import { Fault } from "../protocol/fault.ts";
import { fileFault } from "./files.ts";

/** Write permission of the group and of everybody. */
const OTHERS_MAY_WRITE = 0o022;
const IS_STICKY = 0o1000;

/**
 * Checks that only this user, or root, can have written `path`: that it is
 * theirs, and each directory above it, and that nobody else may write there.
 * What does not exist is nobody's and passes, if its directory does.
 *
 * To be asked before a privileged program believes a file.
 *
 * @throws {Fault} `configInvalid`.
 */
export function requireOwn(path: string, uid = process.getuid?.() ?? 0): void {
  for (let at = path;; at = dirname(at)) {
    const stat = statOf(at);
    if (stat) {
      const isTheirs = stat.uid !== uid && stat.uid !== 0;
      // In a sticky directory nobody can replace what is another's.
      const isOpen = !stat.isSymbolicLink() &&
        (stat.mode & OTHERS_MAY_WRITE) !== 0 &&
        !(stat.isDirectory() && (stat.mode & IS_STICKY) !== 0);
      if (isTheirs || isOpen) throw notOurs(path, at);
    }
    if (at === dirname(at)) return;
  }
}

function statOf(path: string) {
  try {
    return lstatSync(path, { throwIfNoEntry: false });
  } catch (error) {
    throw fileFault("look at", path, error);
  }
}

function notOurs(path: string, at: string): Fault {
  const where = at === path ? "it" : at;
  return new Fault(
    "configInvalid",
    `Cannot believe ${path}: others than root may change ${where}`,
    { hint: `Run \`chown root ${at}; chmod go-w ${at}\`` },
  );
}
