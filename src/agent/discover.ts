import { plainText } from "../base/text.ts";
import { Fault } from "../protocol/fault.ts";
import { deviceIdSchema } from "../protocol/id.ts";
import { type MigasfreeConf, parseMigasfreeConf } from "./migasfree_conf.ts";

/** How a program that was run ended, and what it said: bounded text. */
interface Ended {
  readonly exitCode: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** What finding out needs of the machine. */
export interface DiscoverPorts {
  /**
   * Runs a program to its end, without a shell.
   *
   * @throws {Fault} `programMissing` if it cannot be started, `linkSilent` if
   * it takes too long, `messageTooLarge` if it says too much.
   */
  readonly runCommand: (
    argv: readonly string[],
    timeoutMs: number,
    signal: AbortSignal,
  ) => Promise<Ended>;
  /** Whether `sudo` may help, where this user may not ask. */
  readonly hasSudo: boolean;
}

/** What the configuration leaves open. */
export interface Wanted {
  readonly deviceId: boolean;
  /** The manager, the files of TLS or the name. */
  readonly conf: boolean;
  /** Whether another computer may be asked without TLS. */
  readonly mayBePlain: boolean;
}

/** What migasfree's own program told of this computer. */
export interface Discovered {
  readonly deviceId: number | undefined;
  readonly conf: MigasfreeConf | undefined;
}

const CONF_COMMAND = ["migasfree", "--quiet", "conf", "--json"];
const ID_COMMAND = ["migasfree", "--quiet", "info", "id"];

/** It reads a file. */
const CONF_TIMEOUT_MS = 10_000;
/** It asks the server, and may enrol this computer first. */
const ID_TIMEOUT_MS = 60_000;

const SAID_MAX_CHARS = 300;

/**
 * Asks migasfree's own command line for what is wanted, and for nothing else:
 * `info id` goes to the network.
 *
 * @throws {Fault} `programMissing` if migasfree is not installed, else why it
 * does not tell; the message is the same as long as the reason is.
 * @throws `signal.reason` once aborted.
 */
export async function discover(
  wanted: Wanted,
  ports: DiscoverPorts,
  signal: AbortSignal,
): Promise<Discovered> {
  const conf = wanted.conf
    ? await askConf(wanted.mayBePlain, ports, signal)
    : undefined;
  const deviceId = wanted.deviceId ? await askId(ports, signal) : undefined;
  return { deviceId, conf };
}

async function askConf(
  mayBePlain: boolean,
  ports: DiscoverPorts,
  signal: AbortSignal,
): Promise<MigasfreeConf> {
  const ended = await ports.runCommand(CONF_COMMAND, CONF_TIMEOUT_MS, signal);
  if (ended.exitCode === 0) return parseMigasfreeConf(ended.stdout, mayBePlain);
  throw new Fault(
    "configInvalid",
    `Cannot read migasfree's configuration: ${endOf(CONF_COMMAND, ended)}`,
    {
      hint: "Run `migasfree conf --json` yourself, and mend what it says",
      cause: saidBy(ended),
    },
  );
}

/** The keys that sign the question are root's: hence sudo. */
async function askId(
  ports: DiscoverPorts,
  signal: AbortSignal,
): Promise<number> {
  try {
    return await idBy(ID_COMMAND, ports, signal);
  } catch (error) {
    signal.throwIfAborted();
    const isMissing = Fault.from(error).code === "programMissing";
    if (isMissing || !ports.hasSudo) throw error;
    try {
      return await idBy(["sudo", "-n", ...ID_COMMAND], ports, signal);
    } catch {
      signal.throwIfAborted();
      throw error; // What sudo adds to it helps nobody.
    }
  }
}

async function idBy(
  argv: readonly string[],
  ports: DiscoverPorts,
  signal: AbortSignal,
): Promise<number> {
  const ended = await ports.runCommand(argv, ID_TIMEOUT_MS, signal);
  const id = ended.exitCode === 0 ? parseId(ended.stdout) : undefined;
  if (id !== undefined) return id;
  const fact = ended.exitCode === 0
    ? `\`${argv.join(" ")}\` printed no device id`
    : endOf(argv, ended);
  throw new Fault(
    "configInvalid",
    `Cannot learn which device this computer is: ${fact}`,
    {
      hint: "Register it with `sudo migasfree register`, or wait for " +
        "`migasfree sync` to do so",
      cause: saidBy(ended),
    },
  );
}

/** An integer and nothing else: a page of help must not become a device. */
function parseId(stdout: string): number | undefined {
  const text = stdout.trim();
  if (!/^[0-9]{1,10}$/.test(text)) return undefined;
  const id = Number(text);
  return deviceIdSchema.safeParse(id).success ? id : undefined;
}

function endOf(argv: readonly string[], { exitCode }: Ended): string {
  return `\`${argv.join(" ")}\` ended with ${exitCode}`;
}

/** Its last line: what a program dies of is what it says last. */
function saidBy({ stderr, stdout }: Ended): Error | undefined {
  const said = stderr.trim() || stdout.trim();
  if (said === "") return undefined;
  const last = said.slice(said.lastIndexOf("\n") + 1);
  return new Error(`migasfree says: ${plainText(last, SAID_MAX_CHARS)}`);
}
