import { Fault } from "../protocol/fault.ts";

/** JSON of the files of `systemd/`, put in by scripts/build.ts. */
declare const MIGASFREE_UNITS: string | undefined;

/**
 * Returns the systemd units of this release: names and contents.
 *
 * @throws {Fault} `programMissing` if this program was not built.
 */
export function systemdUnits(): ReadonlyMap<string, string> {
  if (typeof MIGASFREE_UNITS === "string") {
    return new Map(Object.entries(JSON.parse(MIGASFREE_UNITS)));
  }
  throw new Fault(
    "programMissing",
    "Cannot install the service: this program runs from its source",
    { hint: "Build it with scripts/build, and run what that makes" },
  );
}
