import { readFile } from "node:fs/promises";
import WebSocket from "ws";
import { fakeCommand, tlsFlags } from "../peers/python_trio.ts";
import { type Child, runChild } from "../support/child.ts";
import { freePort } from "../support/free_port.ts";
import { type PeerName, PythonPeer } from "../support/python_peer.ts";
import { RawLink } from "../support/raw_link.ts";
import { BINARY, type Identity, Site } from "../support/site.ts";

export interface OldAgentOptions {
  readonly services?: Readonly<Record<string, number>>;
  readonly identity?: Identity;
  readonly flags?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
}

/** Our gateway's binary with mutual TLS, for peers of upstream's kind. */
export class V1GatewaySite implements AsyncDisposable {
  readonly site: Site;
  readonly gateway: Child;
  /** Where the manager's paths are, too. */
  readonly origin: string;
  readonly url: string;
  readonly operator: Identity;
  readonly #computers = new Map<number, Promise<Identity>>();

  private constructor(
    site: Site,
    gateway: Child,
    origin: string,
    operator: Identity,
  ) {
    this.site = site;
    this.gateway = gateway;
    this.origin = origin;
    this.url = `${origin.replace("http", "ws")}/tunnel`;
    this.operator = operator;
  }

  /** @param tables TOML, after the gateway's own. */
  static async start(tables = ""): Promise<V1GatewaySite> {
    const site = await Site.create();
    try {
      // Its URL has the port, and is in its configuration.
      const port = await freePort();
      const pki = site.pkiDir;
      const config = await site.write(
        "gateway.toml",
        `listen = "127.0.0.1:${port}"
public_url = "wss://localhost:${port}/tunnel"
state_dir = "${site.dir}/gateway"
metrics_listen = "127.0.0.1:0"
[tls]
cert_file = "${pki}/gateway/cert.pem"
key_file = "${pki}/gateway/key.pem"
client_ca_file = "${pki}/ca.pem"
crl_files = ["${pki}/crl.pem"]
${tables}
`,
      );
      const argv = [BINARY, "gateway", "--config", config];
      const gateway = site.start(argv, {}, "gateway.log");
      await gateway.line(/gateway\.listen /);
      const operator = await site.identity("operator", "maria");
      const origin = `https://localhost:${port}`;
      return new V1GatewaySite(site, gateway, origin, operator);
    } catch (error) {
      await site[Symbol.asyncDispose]();
      throw error;
    }
  }

  /** The certificate of a device, always the same. */
  computer(id: number): Promise<Identity> {
    let made = this.#computers.get(id);
    made ??= this.site.identity("computer", `uuid-${id}_1`);
    this.#computers.set(id, made);
    return made;
  }

  /** Starts an agent of upstream's kind; waits until it is registered. */
  async agent(id: number, options: OldAgentOptions = {}): Promise<PythonPeer> {
    const agent = await this.startAgent(id, options);
    await agent.event("registered");
    return agent;
  }

  async startAgent(
    id: number,
    options: OldAgentOptions = {},
  ): Promise<PythonPeer> {
    const { services = {}, flags = [], env = {} } = options;
    const identity = options.identity ?? await this.computer(id);
    const named = Object.entries(services)
      .flatMap(([name, port]) => ["--service", `${name}=${port}`]);
    const args = ["--id", `${id}`, "--manager", this.origin, ...named];
    const all = [...args, ...tlsFlags(identity), ...flags];
    return this.site.own(await PythonPeer.start("agent", all, env));
  }

  /** An agent of upstream's kind whose migasfree runs `script`. */
  async execAgent(id: number, script: string): Promise<PythonPeer> {
    const { env } = this.site.own(await fakeCommand(script));
    return await this.agent(id, { env });
  }

  /** Starts an operator of upstream's kind, who asks the manager's list. */
  async connect(id: number, ...flags: string[]): Promise<PythonPeer> {
    const way = ["-a", `CID-${id}`, "-m", this.origin];
    return await this.#operator("connect", [...way, ...flags]);
  }

  /** Starts what the manager's web console does. */
  async console(id: number, ...flags: string[]): Promise<PythonPeer> {
    const way = ["-a", `${id}`, "--relay", this.url];
    return await this.#operator("web_console", [...way, ...flags]);
  }

  async #operator(name: PeerName, args: string[]): Promise<PythonPeer> {
    const all = [...args, ...tlsFlags(this.operator)];
    return this.site.own(await PythonPeer.start(name, all));
  }

  /** Opens a link that offers no subprotocol, and says what a test likes. */
  async raw(identity: Identity = this.operator): Promise<RawLink> {
    const socket = new WebSocket(this.url, await tlsOf(identity));
    const link = new RawLink(socket);
    await new Promise<void>((resolve, reject) => {
      socket.once("open", resolve);
      socket.once("error", reject);
    });
    return link;
  }

  /** Asks one of the manager's paths. */
  async ask(
    path: string,
    identity?: Identity,
    body?: unknown,
  ): Promise<{ status: number; body: unknown }> {
    const { ca, cert, key } = await tlsOf(identity ?? this.operator);
    const answer = await fetch(this.origin + path, {
      tls: { ca, cert, key },
      keepalive: false,
      ...(body === undefined ? {} : {
        method: "POST",
        body: JSON.stringify(body),
        headers: { "Content-Type": "application/json" },
      }),
    });
    const text = await answer.text();
    const isJson = /json/.test(answer.headers.get("content-type") ?? "");
    return { status: answer.status, body: isJson ? JSON.parse(text) : text };
  }

  /** Runs an operator's command of our binary to its end. */
  async run(
    command: readonly string[],
    after: readonly string[] = [],
  ): Promise<{ status: number; stdout: string; stderr: string }> {
    const flags = this.site.operatorFlags(this.url, this.operator);
    const argv = [BINARY, ...command, ...flags, ...after];
    return await runChild(argv, { env: { HOME: this.site.dir } });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.site[Symbol.asyncDispose]();
  }
}

async function tlsOf(
  { ca_file: ca, cert_file: cert, key_file: key }: Identity,
): Promise<{ ca: string; cert: string; key: string }> {
  return {
    ca: await readFile(ca, "utf8"),
    cert: await readFile(cert, "utf8"),
    key: await readFile(key, "utf8"),
  };
}
