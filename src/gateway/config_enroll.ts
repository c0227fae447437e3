import * as z from "zod/mini";
import type { ClonePolicy } from "./clone_watch.ts";

/** Whom this gateway gives certificates, and what it does about copies. */
export interface EnrollConfig {
  /** The directory of `pki`; undefined: nobody enrols here. */
  readonly pkiDir: string | undefined;
  readonly onClone: ClonePolicy;
}

/** `[enroll]` of `gateway.toml`. */
export const enrollSchema = z.strictObject({
  pki_dir: z.optional(
    z.string().check(z.minLength(1, { error: "a path" }), z.maxLength(4_096)),
  ),
  on_clone: z._default(z.enum(["report", "quarantine"]), "report"),
});

/** Fills in what the file leaves out. */
export function enrollConfig(
  file: z.output<typeof enrollSchema>,
): EnrollConfig {
  return { pkiDir: file.pki_dir, onClone: file.on_clone };
}
