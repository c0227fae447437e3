import { type ChildProcess, spawn } from "node:child_process";
import { appendFileSync } from "node:fs";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  type AuthContext,
  type Connection,
  type ParsedKey,
  type PseudoTtyInfo,
  Server,
  type ServerChannel,
  type Session,
  utils,
} from "ssh2";
import { runChild } from "../test/support/child.ts";
import type { Sshd } from "../test/support/sshd.ts";

type AnyChild = ChildProcess | Bun.Subprocess;

interface SessionPorts {
  readonly children: Set<AnyChild>;
  /** Writes a line to the log. */
  readonly note: (line: string) => void;
}

/** What a client asked for, before it asked for a shell or a command. */
interface Asked {
  pty: PseudoTtyInfo | undefined;
  resize: (columns: number, rows: number) => void;
}

/**
 * Starts an SSH server of the ssh2 library on 127.0.0.1, for a machine that
 * has no sshd. Whoever runs it may log in, with one key; it runs commands and
 * shells, with a terminal if one is asked for. `scp` needs its flag `-O`: there
 * is no sftp.
 */
export async function startSsh2Server(): Promise<Sshd> {
  const dir = await mkdtemp(join(tmpdir(), "mf-ssh2-"));
  const hostKey = utils.generateKeyPairSync("ed25519", { comment: "host_key" });
  const identity = utils.generateKeyPairSync("ed25519");
  const identityFile = join(dir, "identity");
  await writeFile(identityFile, identity.private, { mode: 0o600 });
  const user = (await runChild(["id", "-un"])).stdout.trim();
  const allowed = parsedKey(identity.public);
  const logFile = join(dir, "log");
  const note = (line: string) => appendFileSync(logFile, `${line}\n`);
  const children = new Set<AnyChild>();
  const connections = new Set<Connection>();
  const server = new Server({ hostKeys: [hostKey.private] }, (client) => {
    connections.add(client);
    client.on("close", () => void connections.delete(client));
    client.on("error", ({ message }) => {
      note(`A connection broke off: ${message}`);
      client.end();
    });
    client.on("authentication", (context) => admit(context, user, allowed));
    client.on("ready", () => note(`${user} logged in`));
    client.on(
      "session",
      (accept) => serveSession(accept(), { children, note }),
    );
  });
  server.listen(0, "127.0.0.1");
  await new Promise((resolve, reject) => {
    server.once("listening", resolve);
    server.once("error", reject);
  });
  const { port } = server.address() as AddressInfo;
  note(`Listening on port ${port}`);
  return {
    port,
    user,
    hostKeyFingerprint: fingerprint(parsedKey(hostKey.public)),
    identityFile,
    knownHostsLine: `[127.0.0.1]:${port} ${hostKey.public.trim()}`,
    logFile,
    [Symbol.asyncDispose]: async () => {
      const closed = new Promise((resolve) => server.close(resolve));
      for (const child of children) child.kill("SIGKILL");
      for (const client of connections) client.end();
      await closed;
      await rm(dir, { recursive: true, force: true });
    },
  };
}

/** RFC 4252 §7: the key is offered first, then proved by a signature. */
function admit(context: AuthContext, user: string, allowed: ParsedKey): void {
  const isOurs = context.method === "publickey" && context.username === user &&
    allowed.getPublicSSH().equals(context.key.data);
  if (!isOurs) return context.reject(["publickey"]);
  const { blob, signature, hashAlgo } = context;
  if (!blob || !signature || allowed.verify(blob, signature, hashAlgo)) {
    return context.accept();
  }
  context.reject(["publickey"]);
}

function serveSession(
  session: Session,
  { children, note }: SessionPorts,
): void {
  const asked: Asked = { pty: undefined, resize: () => undefined };
  session.on("pty", (accept, _reject, info) => {
    asked.pty = info;
    // A client need not want an answer: then there is none to give.
    accept?.();
  });
  session.on("window-change", (accept, _reject, { cols, rows }) => {
    asked.resize(cols, rows);
    accept?.();
  });
  const start = (channel: ServerChannel, args: readonly string[]) => {
    note(`Running /bin/sh ${args.join(" ")}`);
    const child = asked.pty
      ? runInTerminal(args, channel, asked.pty, asked)
      : runOnPipes(args, channel);
    children.add(child);
    channel.on("close", () => {
      child.kill("SIGHUP");
      children.delete(child);
    });
  };
  session.on("exec", (accept, _reject, { command }) => {
    start(accept(), ["-c", command]);
  });
  session.on("shell", (accept) => start(accept(), ["-i"]));
}

function runOnPipes(
  args: readonly string[],
  channel: ServerChannel,
): ChildProcess {
  const child = spawn("/bin/sh", args, { stdio: "pipe" });
  // It may end before it has read everything.
  child.stdin.on("error", () => void channel.unpipe(child.stdin));
  channel.pipe(child.stdin);
  child.stdout.pipe(channel, { end: false });
  child.stderr.pipe(channel.stderr, { end: false });
  child.on("close", (status) => end(channel, status ?? 1));
  return child;
}

function runInTerminal(
  args: readonly string[],
  channel: ServerChannel,
  { cols, rows }: PseudoTtyInfo,
  asked: Asked,
): Bun.Subprocess {
  const child = Bun.spawn(["/bin/sh", ...args], {
    terminal: {
      cols,
      rows,
      data: (_terminal, data) => void channel.write(data),
    },
  });
  const { terminal } = child;
  asked.resize = (columns, rows) => terminal?.resize(columns, rows);
  channel.on("data", (data: Buffer) => void terminal?.write(data));
  void child.exited.then((status) => {
    terminal?.close();
    end(channel, status);
  });
  return child;
}

function end(channel: ServerChannel, status: number): void {
  channel.exit(status);
  channel.end();
}

function parsedKey(text: string): ParsedKey {
  const key = utils.parseKey(text);
  if (key instanceof Error) throw key;
  return key;
}

/** As `ssh-keygen -l` prints it. */
function fingerprint(key: ParsedKey): string {
  const digest = new Bun.CryptoHasher("sha256").update(key.getPublicSSH())
    .digest("base64");
  return `SHA256:${digest.replace(/=+$/, "")}`;
}
