import { chmod, mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { type PeerName, PythonPeer } from "../support/python_peer.ts";
import type { Identity } from "../support/site.ts";
import { makeTemporaryDir } from "../support/temporary_dir.ts";

/** Who is who where the relay speaks TLS. */
export interface TrioTls {
  readonly relay: Identity;
  readonly agent: Identity;
  readonly operator: Identity;
}

/** A relay that serves the manager's paths too, and who talks to it. */
export class PythonTrio implements AsyncDisposable {
  readonly relay: PythonPeer;
  readonly #tls: TrioTls | undefined;
  readonly #stack = new AsyncDisposableStack();

  private constructor(relay: PythonPeer, tls: TrioTls | undefined) {
    this.relay = this.#stack.use(relay);
    this.#tls = tls;
  }

  static async start(...relayFlags: readonly string[]): Promise<PythonTrio> {
    return await PythonTrio.startTls(undefined, ...relayFlags);
  }

  static async startTls(
    tls: TrioTls | undefined,
    ...relayFlags: readonly string[]
  ): Promise<PythonTrio> {
    const relay = await PythonPeer.start("relay", [
      "--http-register",
      ...tlsFlags(tls?.relay),
      ...relayFlags,
    ]);
    return new PythonTrio(relay, tls);
  }

  get managerUrl(): string {
    const { port } = this.relay;
    return this.#tls ? `https://localhost:${port}` : `http://127.0.0.1:${port}`;
  }

  get relayUrl(): string {
    return `${this.managerUrl.replace("http", "ws")}/tunnel`;
  }

  own<T extends AsyncDisposable>(resource: T): T {
    return this.#stack.use(resource);
  }

  /** Starts an agent that gets the relay's URL from the manager. */
  async agent(
    id: number,
    services: Readonly<Record<string, number>>,
    flags: readonly string[] = [],
    env: Readonly<Record<string, string>> = {},
  ): Promise<PythonPeer> {
    const named = Object.entries(services)
      .flatMap(([name, port]) => ["--service", `${name}=${port}`]);
    const args = ["--id", `${id}`, "--manager", this.managerUrl];
    const agent = await PythonPeer.start(
      "agent",
      [...args, ...named, ...tlsFlags(this.#tls?.agent), ...flags],
      env,
    );
    return this.own(agent);
  }

  /** Starts a client that asks the manager where the agent is. */
  async connect(id: number, ...flags: readonly string[]): Promise<PythonPeer> {
    return await this.#operator("connect", [
      ...["-a", `CID-${id}`, "-m", this.managerUrl],
      ...flags,
    ]);
  }

  /** Starts what the manager's web console does. */
  async console(id: number, ...flags: readonly string[]): Promise<PythonPeer> {
    return await this.#operator("web_console", [
      ...["-a", `${id}`, "--relay", this.relayUrl],
      ...flags,
    ]);
  }

  async #operator(
    name: PeerName,
    args: readonly string[],
  ): Promise<PythonPeer> {
    const tls = tlsFlags(this.#tls?.operator);
    return this.own(await PythonPeer.start(name, [...args, ...tls]));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#stack.disposeAsync();
  }
}

/** What a peer is told of its identity. */
export function tlsFlags(identity: Identity | undefined): string[] {
  if (identity === undefined) return [];
  const { ca_file: ca, cert_file: cert, key_file: key } = identity;
  return ["--ca", ca, "--cert", cert, "--key", key];
}

/** A program called migasfree. */
export interface FakeCommand extends AsyncDisposable {
  readonly path: string;
  /** In which it is found before any other. */
  readonly env: Record<string, string>;
}

/** Makes a folder with a program called migasfree that runs `script`. */
export async function fakeCommand(
  script: string,
): Promise<FakeCommand> {
  const folder = await makeTemporaryDir("fake-command");
  const bin = join(folder.path, "bin");
  await mkdir(bin);
  const path = join(bin, "migasfree");
  await writeFile(path, `#!/bin/sh\n${script}\n`);
  await chmod(path, 0o755);
  return {
    path,
    env: { PATH: `${bin}:${process.env["PATH"]}` },
    [Symbol.asyncDispose]: () => folder[Symbol.asyncDispose](),
  };
}
