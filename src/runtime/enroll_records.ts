import * as z from "zod/mini";
import { deviceIdSchema, tunnelIdSchema } from "../protocol/id.ts";

const hexSchema = z.string().check(z.regex(/^[0-9a-f]{1,64}$/));
const timeSchema = z.int().check(z.minimum(0));

/** A token, in `enroll/tokens` or `enroll/used`. */
export const tokenRecordSchema = z.object({
  id: tunnelIdSchema,
  key: z.string().check(z.regex(/^[0-9a-f]{64}$/)),
  device: z.optional(deviceIdSchema),
  expiresAtMs: timeSchema,
  use: z.optional(z.object({
    keyHash: hexSchema,
    commonName: z.string().check(z.maxLength(64)),
    serial: hexSchema,
  })),
});

/** A request that waits for a person, in `enroll/pending` or `…/approved`. */
export const pendingRecordSchema = z.object({
  id: z.string().check(z.regex(/^[0-9a-f]{16}$/)),
  commonName: z.string().check(z.maxLength(64)),
  serial: hexSchema,
  address: z.string().check(z.maxLength(64)),
  expiredAtMs: timeSchema,
  askedAtMs: timeSchema,
});
