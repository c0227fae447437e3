import { existsSync } from "node:fs";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { type Child, runChild, startChild } from "./child.ts";

/** The compiled binary: what is tested is what is shipped. */
export const BINARY = resolve(
  import.meta.dir,
  "../../dist/migasfree-agent",
);

/** Files of one identity, as `pki` names them. */
export interface Identity {
  readonly "ca_file": string;
  readonly "cert_file": string;
  readonly "key_file": string;
}

/** A directory with a private CA, and what is started from it. */
export class Site implements AsyncDisposable {
  readonly dir: string;
  readonly pkiDir: string;
  readonly #children: AsyncDisposable[] = [];
  #isEnding = false;

  private constructor(dir: string) {
    this.dir = dir;
    this.pkiDir = join(dir, "pki");
  }

  /** Makes a site whose gateway is known as localhost, 127.0.0.1 and `hosts`. */
  static async create(...hosts: readonly string[]): Promise<Site> {
    if (!existsSync(BINARY)) {
      throw new Error(`There is no ${BINARY}: run ./scripts/build first`);
    }
    const site = new Site(await mkdtemp(join(tmpdir(), "mf-site-")));
    const names = ["localhost", "127.0.0.1", ...hosts]
      .flatMap((host) => ["--host", host]);
    try {
      await site.cli(["pki", "init", site.pkiDir, ...names]);
    } catch (error) {
      await site[Symbol.asyncDispose]();
      throw error;
    }
    return site;
  }

  /** Runs a command of the binary to its end; expects success. */
  async cli(args: readonly string[]): Promise<string> {
    const { status, stdout, stderr } = await runChild([BINARY, ...args], {
      env: { HOME: this.dir },
    });
    if (status === 0) return stdout;
    throw new Error(`${args.join(" ")}: exit ${status}\n${stderr}`);
  }

  /** Makes a certificate for a computer or an operator. */
  async identity(
    role: "computer" | "operator",
    name: string,
  ): Promise<Identity> {
    const json = await this.cli(["pki", role, this.pkiDir, name, "--json"]);
    return JSON.parse(json);
  }

  /** Writes a file below the site's directory. Returns its path. */
  async write(name: string, content: string): Promise<string> {
    const path = join(this.dir, name);
    await mkdir(join(path, ".."), { recursive: true });
    await writeFile(path, content, { mode: 0o600 });
    return path;
  }

  /**
   * Starts a program that ends with the site.
   *
   * @param log Name of a file in the site's directory that gets what it says.
   */
  start(
    argv: readonly string[],
    env: Record<string, string> = {},
    log = "",
  ): Child {
    const options = { env: { HOME: this.dir, ...env } };
    const logFile = log === "" ? {} : { logFile: join(this.dir, log) };
    return this.own(startChild(argv, { ...options, ...logFile }));
  }

  /** @throws {Error} Once the site ends; the resource ends with it. */
  own<T extends AsyncDisposable>(resource: T): T {
    this.#children.push(resource);
    if (this.#isEnding) throw new Error("The site ends already");
    return resource;
  }

  /**
   * Starts a gateway that speaks mutual TLS itself.
   *
   * @param port 0 for a free one.
   * @param top TOML lines put before our own; `tables` come after them.
   * @param under What the program is started with: `ip netns exec …`.
   */
  async gateway(
    {
      port = 0,
      name = "gateway",
      address = "127.0.0.1",
      top = "",
      tables = "",
      under = [] as readonly string[],
    } = {},
  ): Promise<{ child: Child; port: number; url: string; config: string }> {
    const config = await this.write(
      `${name}.toml`,
      `listen = "${address}:${port}"
public_url = "wss://localhost/tunnel"
state_dir = "${join(this.dir, name)}"
metrics_listen = "127.0.0.1:0"
${top}
[tls]
cert_file = "${this.pkiDir}/gateway/cert.pem"
key_file = "${this.pkiDir}/gateway/key.pem"
client_ca_file = "${this.pkiDir}/ca.pem"
crl_files = ["${this.pkiDir}/crl.pem"]
${tables}
`,
    );
    const argv = [...under, BINARY, "gateway", "--config", config];
    const child = this.start(argv, {}, `${name}.log`);
    const line = await child.line(/gateway\.listen /);
    const bound = Number(/\blisten=\S*:(\d+)/.exec(line)?.[1]);
    const url = `wss://localhost:${bound}/tunnel`;
    return { child, port: bound, url, config };
  }

  /** Starts an agent and waits until it is online. */
  async agent(
    options: {
      id: number;
      url: string;
      services: Record<string, number>;
      name?: string;
      identity?: Identity;
      top?: string;
      env?: Record<string, string>;
      waitFor?: RegExp;
      /** What the program is started with: `ip netns exec …`. */
      under?: readonly string[];
    },
  ): Promise<{ child: Child; config: string; identity: Identity }> {
    const name = options.name ?? `aula-${options.id}`;
    const identity = options.identity ??
      await this.identity("computer", `uuid-${options.id}_1`);
    const services = Object.entries(options.services)
      .map(([service, port]) => `${service} = "127.0.0.1:${port}"`);
    const config = await this.write(
      `${name}.toml`,
      `device_id = ${options.id}
name = "${name}"
gateway = "${options.url}"
ca_file = "${identity.ca_file}"
cert_file = "${identity.cert_file}"
key_file = "${identity.key_file}"
state_dir = "${join(this.dir, name)}"
${options.top ?? ""}
[services]
${services.join("\n")}
`,
    );
    const child = this.start(
      [...options.under ?? [], BINARY, "run", "--config", config],
      options.env ?? {},
      `${name}.log`,
    );
    await child.line(options.waitFor ?? /link\.open /);
    return { child, config, identity };
  }

  /** The flags that make an operator's command use `identity` at `url`. */
  operatorFlags(url: string, identity: Identity): string[] {
    return [
      ...["--gateway", url, "--ca", identity.ca_file],
      ...["--cert", identity.cert_file, "--key", identity.key_file],
    ];
  }

  /** Ends all that was started. Its files stay until the site is disposed. */
  async end(): Promise<void> {
    this.#isEnding = true;
    for (const child of this.#children.splice(0).reverse()) {
      await child[Symbol.asyncDispose]();
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.end();
    await rm(this.dir, { recursive: true, force: true });
  }
}
