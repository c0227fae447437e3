import { z } from "zod";

const absolute = z.string().startsWith("/");
const seconds = z.int().positive();

/**
 * Keys of launchd.plist(5) and their types, as far as a daemon of ours may
 * use them; an unknown key, which launchd would pass over, is an error.
 */
export const launchdSchema = z.strictObject({
  Label: z.string().regex(/^[a-z][a-z.]+$/),
  ProgramArguments: z.tuple([absolute], z.string()),
  UserName: z.string().optional(),
  GroupName: z.string().optional(),
  InitGroups: z.boolean().optional(),
  RunAtLoad: z.boolean().optional(),
  KeepAlive: z.union([
    z.boolean(),
    z.strictObject({
      SuccessfulExit: z.boolean().optional(),
      Crashed: z.boolean().optional(),
    }),
  ]).optional(),
  // Less than its 10 s launchd does not take.
  ThrottleInterval: z.int().min(10).optional(),
  ExitTimeOut: seconds.optional(),
  StartInterval: seconds.optional(),
  WatchPaths: z.array(absolute).optional(),
  WorkingDirectory: absolute.optional(),
  StandardOutPath: absolute.optional(),
  StandardErrorPath: absolute.optional(),
  EnvironmentVariables: z.record(z.string(), z.string()).optional(),
  ProcessType: z.enum(["Background", "Standard", "Adaptive", "Interactive"])
    .optional(),
  // In XML a decimal number.
  Umask: z.int().min(0).max(0o777).optional(),
  SoftResourceLimits: z.strictObject({
    NumberOfFiles: z.int().positive().optional(),
    Core: z.int().min(0).optional(),
  }).optional(),
});
