import { z } from "zod";
import type { ClonePolicy } from "./clone_watch.ts";

/** Whom this gateway gives certificates, and what it does about copies. */
export interface EnrollConfig {
  /** The directory of `pki`; undefined: nobody enrols here. */
  readonly pkiDir: string | undefined;
  readonly onClone: ClonePolicy;
}

/** `[enroll]` of `gateway.toml`. */
export const enrollSchema = z.strictObject({
  pki_dir: z.string().min(1, { error: "a path" }).max(4_096).optional(),
  on_clone: z.enum(["report", "quarantine"]).default("report"),
});

/** Fills in what the file leaves out. */
export function enrollConfig(
  file: z.output<typeof enrollSchema>,
): EnrollConfig {
  return { pkiDir: file.pki_dir, onClone: file.on_clone };
}
