import type { PlistValue } from "./plist_text.ts";

/** The user that the agent runs as. macOS marks its own with an underscore. */
export const LAUNCHD_USER = "_migasfree-agent";

/** Where the agent keeps its state, and root hands its identity over. */
export const LAUNCHD_PLACES = {
  config: "/etc/migasfree-agent",
  state: "/var/lib/migasfree-agent",
  handed: "/var/lib/migasfree-agent-identity",
  logs: "/var/log/migasfree-agent",
} as const;

/** One file of /Library/LaunchDaemons. */
export interface LaunchdJob {
  readonly label: string;
  readonly plist: { readonly [key: string]: PlistValue };
}

/** launchd's own least, ThrottleInterval of launchd.plist(5). */
const RESTART_SECONDS = 10;
/** Then SIGKILL; the agent ends within 9 s. */
const EXIT_SECONDS = 10;
/** As systemd's unit has it, but launchd has no watchdog: the agent's own. */
const WATCHDOG_SECONDS = 10;
const HAND_EVERY_SECONDS = 300;
/** Decimal: launchd knows no octal numbers in XML. */
const UMASK_OWNER_ONLY = 0o077;
const UMASK_USUAL = 0o022;
const FILES_MAX_COUNT = 16_384;

/**
 * The two jobs of an agent under launchd: the agent, as a user of its own, and
 * a short one of root's that hands the computer's identity over to it.
 */
export function launchdJobs(programPath: string): readonly LaunchdJob[] {
  const { config, handed, logs } = LAUNCHD_PLACES;
  const common = { ProcessType: "Background", WorkingDirectory: "/" };
  const agent = "org.migasfree.agent";
  const identity = "org.migasfree.agent.identity";
  return [
    {
      label: identity,
      plist: {
        ...common,
        Label: identity,
        ProgramArguments: [programPath, "hand-identity", handed],
        RunAtLoad: true,
        StartInterval: HAND_EVERY_SECONDS,
        WatchPaths: [config, "/etc/migasfree.conf"],
        Umask: UMASK_USUAL,
        StandardErrorPath: `${logs}/identity.log`,
      },
    },
    {
      label: agent,
      plist: {
        ...common,
        Label: agent,
        ProgramArguments: [
          programPath,
          "run",
          "--identity",
          handed,
          "--log-file",
          `${logs}/agent.log`,
          "--watchdog",
          String(WATCHDOG_SECONDS),
        ],
        UserName: LAUNCHD_USER,
        GroupName: LAUNCHD_USER,
        InitGroups: false,
        RunAtLoad: true,
        KeepAlive: true,
        ThrottleInterval: RESTART_SECONDS,
        ExitTimeOut: EXIT_SECONDS,
        Umask: UMASK_OWNER_ONLY,
        SoftResourceLimits: { NumberOfFiles: FILES_MAX_COUNT, Core: 0 },
        // What the log file cannot take: a crash, for one.
        StandardErrorPath: `${logs}/stderr.log`,
      },
    },
  ];
}
