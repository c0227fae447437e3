import { z } from "zod";
import { deviceIdSchema, tunnelIdSchema } from "../protocol/id.ts";

const hexSchema = z.string().regex(/^[0-9a-f]{1,64}$/);
const timeSchema = z.int().min(0);

/** A token, in `enroll/tokens` or `enroll/used`. */
export const tokenRecordSchema = z.object({
  id: tunnelIdSchema,
  key: z.string().regex(/^[0-9a-f]{64}$/),
  device: deviceIdSchema.optional(),
  expiresAtMs: timeSchema,
  use: z.object({
    keyHash: hexSchema,
    commonName: z.string().max(64),
    serial: hexSchema,
  }).optional(),
});

/** A request that waits for a person, in `enroll/pending` or `…/approved`. */
export const pendingRecordSchema = z.object({
  id: z.string().regex(/^[0-9a-f]{16}$/),
  commonName: z.string().max(64),
  serial: hexSchema,
  address: z.string().max(64),
  expiredAtMs: timeSchema,
  askedAtMs: timeSchema,
});
