import { createReadStream } from "node:fs";
import { Client, type ClientChannel } from "ssh2";
import type { Child } from "../test/support/child.ts";
import type { Site } from "../test/support/site.ts";
import type { Sshd } from "../test/support/sshd.ts";
import { DemoFailure } from "./demo_failure.ts";

/** Logs in to the computer and copies to it, by one way. */
export interface DemoClient {
  /** Runs a command there. Returns what it printed. */
  readonly run: (command: string) => Promise<string>;
  /** Copies a local file to a path there. */
  readonly copy: (file: string, path: string) => Promise<void>;
}

/** How long a copy or a command may take, on the slowest machine. */
const WORK_TIMEOUT_MS = 120_000;

/**
 * Returns a client that starts OpenSSH's programs.
 *
 * @param ssh What comes before the remote command.
 * @param scp What comes before the local file.
 * @param host What scp calls the computer.
 */
export function openSshClient(
  site: Site,
  ssh: readonly string[],
  scp: readonly string[],
  host: string,
): DemoClient {
  return {
    run: async (command) => {
      return await succeed(site.start([...ssh, command]), "ssh");
    },
    copy: async (file, path) => {
      await succeed(site.start([...scp, file, `${host}:${path}`]), "scp");
    },
  };
}

/**
 * Returns a client of the ssh2 library, which dials a port of 127.0.0.1. It
 * has no scp: a copy goes into a `cat`.
 */
export function ssh2Client(
  port: number,
  server: Sshd,
  privateKey: string,
): DemoClient {
  const inSession = async (
    command: string,
    send: (channel: ClientChannel) => void,
  ): Promise<string> => {
    const client = await dial(port, server, privateKey);
    try {
      return await runRemotely(client, command, send);
    } finally {
      client.end();
    }
  };
  return {
    run: (command) => inSession(command, (channel) => void channel.end()),
    copy: async (file, path) => {
      await inSession(
        `cat > '${path}'`,
        (channel) => {
          const reading = createReadStream(file);
          reading.once("error", () => channel.destroy());
          reading.pipe(channel);
        },
      );
    },
  };
}

/** Returns the standard output of a program that must end well. */
async function succeed(child: Child, name: string): Promise<string> {
  const timer = setTimeout(() => child.kill("SIGKILL"), WORK_TIMEOUT_MS);
  try {
    const status = await child.exited;
    const { stdout, stderr } = child.output();
    if (status === 0) return stdout;
    throw new DemoFailure(`${name} ended with status ${status}`, stderr);
  } finally {
    clearTimeout(timer);
  }
}

async function dial(
  port: number,
  { knownHostsLine, user }: Sshd,
  privateKey: string,
): Promise<Client> {
  const [, , hostKey = ""] = knownHostsLine.split(" ");
  const client = new Client();
  await new Promise<void>((resolve, reject) => {
    client.once("ready", resolve);
    client.once("error", reject);
    client.connect({
      host: "127.0.0.1",
      port,
      username: user,
      privateKey,
      hostVerifier: (key: Buffer) => key.toString("base64") === hostKey,
    });
  });
  return client;
}

function runRemotely(
  client: Client,
  command: string,
  send: (channel: ClientChannel) => void,
): Promise<string> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => client.destroy(), WORK_TIMEOUT_MS);
    client.on("error", reject);
    client.on("close", () => {
      clearTimeout(timer);
      reject(new DemoFailure("the connection broke off"));
    });
    client.exec(command, (error, channel) => {
      if (error) return reject(error);
      let said = "";
      let status: number | undefined;
      channel.on("data", (data: Buffer) => void (said += data.toString()));
      channel.on("exit", (code: number) => void (status = code));
      channel.on("close", () => {
        if (status === 0) resolve(said);
        else reject(new DemoFailure(`the command ended with status ${status}`));
      });
      channel.resume();
      send(channel);
    });
  });
}
