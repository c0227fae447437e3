import * as z from "zod/mini";
import { type FaultCode, isFaultCode } from "./fault.ts";

/** Longer than any of ours; a newer peer's is refused, as any other. */
const CODE_MAX_CHARS = 64;

/** A code of the table of faults, as a peer says it. */
export const faultCodeSchema = z.pipe(
  z.string().check(z.maxLength(CODE_MAX_CHARS)),
  z.custom<FaultCode>((code) => isFaultCode(String(code))),
);
