import { appendFileSync, existsSync, readdirSync, readFileSync } from "node:fs";
import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { runChild } from "./child.ts";

/** A real OpenSSH server of a test's own, on 127.0.0.1. */
export interface Sshd extends AsyncDisposable {
  readonly port: number;
  /** The one user who may log in: who runs the test. */
  readonly user: string;
  /** As `ssh-keygen -l` prints it: `SHA256:…`. */
  readonly hostKeyFingerprint: string;
  /** Private key that opens the door. */
  readonly identityFile: string;
  /** What known_hosts holds of a server at this port. */
  readonly knownHostsLine: string;
  /** All that the server has said, at level VERBOSE. */
  readonly logFile: string;
}

/** The port was free when it was asked for; somebody may be faster. */
const BIND_TRIES_COUNT = 5;

/** Where distributions put it, in or out of a user's PATH. */
const SSHD_DIRS = ["/usr/sbin", "/usr/local/sbin", "/usr/lib/ssh", "/sbin"];

/** Returns why no sshd can be started here, or undefined. */
export function sshdMissing(): string | undefined {
  for (const name of ["ssh", "ssh-keygen"]) {
    if (!Bun.which(name)) return `${name} is not installed (openssh-client)`;
  }
  return sshdPath() ? undefined : "sshd is not installed (openssh-server)";
}

/**
 * Starts a server with keys and configuration of its own. It needs no
 * privilege and touches nothing of the machine's own server. It takes public
 * keys only, and allows a pty, forwarding of everything, sftp, and dozens of
 * sessions at once.
 *
 * @param under What it is started with: `ip netns exec …`.
 * @throws {Error} If it is not installed, or cannot start.
 */
export async function startSshd(
  under: readonly string[] = [],
): Promise<Sshd> {
  const missing = sshdMissing();
  if (missing !== undefined) throw new Error(`Cannot start sshd: ${missing}`);
  const dir = await mkdtemp(join(tmpdir(), "mf-sshd-"));
  try {
    if (process.getuid?.() === 0) await mkdir("/run/sshd", { recursive: true });
    // Bun 1.4.5 takes userInfo().username from $USER, which may be absent.
    const user = (await run(["id", "-un"])).trim();
    const hostKey = await makeKey(dir, "host_key");
    const identity = await makeKey(dir, "identity");
    await writeFile(join(dir, "authorized_keys"), identity.publicKey);
    for (let left = BIND_TRIES_COUNT; left > 0; left--) {
      const port = await freePort();
      const server = await tryListen(dir, port, under);
      if (!server) continue;
      return {
        port,
        user,
        hostKeyFingerprint: hostKey.fingerprint,
        identityFile: identity.file,
        knownHostsLine: `[127.0.0.1]:${port} ${hostKey.publicKey}`,
        logFile: join(dir, "log"),
        [Symbol.asyncDispose]: async () => {
          await server[Symbol.asyncDispose]();
          await rm(dir, { recursive: true, force: true });
        },
      };
    }
    throw new Error(`Cannot start sshd: no port of ${BIND_TRIES_COUNT} free`);
  } catch (error) {
    await rm(dir, { recursive: true, force: true });
    throw error;
  }
}

/** Resolves with undefined if somebody else has the port. */
async function tryListen(
  dir: string,
  port: number,
  under: readonly string[],
): Promise<AsyncDisposable | undefined> {
  const sshd = sshdPath() ?? "sshd";
  const configFile = join(dir, "sshd_config");
  const logFile = join(dir, "log");
  // It punishes many sessions from one address, from OpenSSH 9.8 on.
  for (const extra of ["PerSourcePenalties no\n", ""]) {
    await writeFile(configFile, configuration(dir, port) + extra);
    const { status } = await runChild([sshd, "-t", "-f", configFile]);
    if (status === 0) break;
  }
  const server = Bun.spawn([...under, sshd, "-D", "-e", "-f", configFile], {
    stdin: "ignore",
    stdout: "ignore",
    stderr: "pipe",
  });
  const listening = Promise.withResolvers<boolean>();
  const reading = readLines(server.stderr, (line) => {
    appendFileSync(logFile, `${line}\n`);
    if (line.startsWith("Server listening on ")) listening.resolve(true);
  });
  void server.exited.then(() => listening.resolve(false));
  if (await listening.promise) {
    return { [Symbol.asyncDispose]: () => stop(server, reading) };
  }
  await reading;
  const said = await readFile(logFile, "utf8");
  if (/Bind to port \d+ .*failed/.test(said)) return undefined;
  throw new Error(`Cannot start sshd: ${said}`);
}

/** Ends the server and the sessions that would outlive it. */
async function stop(
  server: Bun.Subprocess,
  reading: Promise<void>,
): Promise<void> {
  server.kill("SIGSTOP"); // Nobody may come in between.
  const sessions = descendants(server.pid);
  server.kill("SIGTERM");
  server.kill("SIGCONT");
  for (const pid of sessions) {
    try {
      process.kill(pid, "SIGTERM");
    } catch {
      // It has ended meanwhile.
    }
  }
  await server.exited;
  await reading; // The last session has closed the log.
}

function descendants(pid: number): number[] {
  if (!existsSync("/proc/self/stat")) return [];
  const children = new Map<number, number[]>();
  for (const name of readdirSync("/proc")) {
    if (!/^\d+$/.test(name)) continue;
    try {
      const stat = readFileSync(`/proc/${name}/stat`, "utf8");
      // proc(5): the name stands in brackets, then the state, then the parent.
      const parent = Number(stat.slice(stat.lastIndexOf(")")).split(" ")[2]);
      children.set(parent, [...children.get(parent) ?? [], Number(name)]);
    } catch {
      // It has ended meanwhile.
    }
  }
  const below = (parent: number): number[] =>
    (children.get(parent) ?? []).flatMap((child) => [child, ...below(child)]);
  return below(pid);
}

function configuration(dir: string, port: number): string {
  return `ListenAddress 127.0.0.1
Port ${port}
HostKey ${dir}/host_key
PidFile none
LogLevel VERBOSE
AuthorizedKeysFile ${dir}/authorized_keys
StrictModes no
UsePAM no
PermitRootLogin prohibit-password
AuthenticationMethods publickey
PasswordAuthentication no
UseDNS no
PrintMotd no
PrintLastLog no
PermitUserRC no
AllowAgentForwarding yes
AllowTcpForwarding yes
PermitTTY yes
MaxSessions 200
MaxStartups 200
Subsystem sftp internal-sftp
`;
}

async function makeKey(dir: string, name: string): Promise<
  { file: string; publicKey: string; fingerprint: string }
> {
  const file = join(dir, name);
  const make = ["-q", "-t", "ed25519", "-N", "", "-C", name, "-f", file];
  await run(["ssh-keygen", ...make]);
  const publicKey = await readFile(`${file}.pub`, "utf8");
  const [, fingerprint = ""] = (await run(["ssh-keygen", "-l", "-f", file]))
    .split(" ");
  return { file, publicKey: publicKey.trim(), fingerprint };
}

/** Returns what `argv` printed. */
async function run(argv: readonly string[]): Promise<string> {
  const { status, stdout, stderr } = await runChild(argv);
  if (status === 0) return stdout;
  throw new Error(`Cannot run ${argv.join(" ")}: ${stderr}`);
}

async function freePort(): Promise<number> {
  using listener = Bun.listen({
    hostname: "127.0.0.1",
    port: 0,
    socket: { data: () => undefined },
  });
  return await Promise.resolve(listener.port);
}

async function readLines(
  stream: ReadableStream<Uint8Array<ArrayBuffer>>,
  hear: (line: string) => void,
): Promise<void> {
  let rest = "";
  for await (const chunk of stream.pipeThrough(new TextDecoderStream())) {
    const lines = (rest + chunk).split(/\r?\n/);
    rest = lines.pop() ?? "";
    lines.forEach(hear);
  }
  if (rest !== "") hear(rest);
}

function sshdPath(): string | null {
  const path = [process.env["PATH"], ...SSHD_DIRS].join(":");
  return Bun.which("sshd", { PATH: path });
}
