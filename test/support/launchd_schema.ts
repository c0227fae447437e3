import * as z from "zod/mini";

const absolute = z.string().check(z.startsWith("/"));
const seconds = z.int().check(z.positive());

/**
 * Keys of launchd.plist(5) and their types, as far as a daemon of ours may
 * use them; an unknown key, which launchd would pass over, is an error.
 */
export const launchdSchema = z.strictObject({
  Label: z.string().check(z.regex(/^[a-z][a-z.]+$/)),
  ProgramArguments: z.tuple([absolute], z.string()),
  UserName: z.optional(z.string()),
  GroupName: z.optional(z.string()),
  InitGroups: z.optional(z.boolean()),
  RunAtLoad: z.optional(z.boolean()),
  KeepAlive: z.optional(z.union([
    z.boolean(),
    z.strictObject({
      SuccessfulExit: z.optional(z.boolean()),
      Crashed: z.optional(z.boolean()),
    }),
  ])),
  // Less than its 10 s launchd does not take.
  ThrottleInterval: z.optional(z.int().check(z.minimum(10))),
  ExitTimeOut: z.optional(seconds),
  StartInterval: z.optional(seconds),
  WatchPaths: z.optional(z.array(absolute)),
  WorkingDirectory: z.optional(absolute),
  StandardOutPath: z.optional(absolute),
  StandardErrorPath: z.optional(absolute),
  EnvironmentVariables: z.optional(z.record(z.string(), z.string())),
  ProcessType: z.optional(
    z.enum(["Background", "Standard", "Adaptive", "Interactive"]),
  ),
  // In XML a decimal number.
  Umask: z.optional(z.int().check(z.minimum(0), z.maximum(0o777))),
  SoftResourceLimits: z.optional(z.strictObject({
    NumberOfFiles: z.optional(z.int().check(z.positive())),
    Core: z.optional(z.int().check(z.minimum(0))),
  })),
});
