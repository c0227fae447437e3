import { fakeCommand, PythonTrio } from "../peers/python_trio.ts";
import type { Child } from "../support/child.ts";
import type { PythonPeer } from "../support/python_peer.ts";
import { BINARY, Site } from "../support/site.ts";

export interface V1AgentOptions {
  readonly id?: number;
  readonly services?: Readonly<Record<string, number>>;
  /** TOML lines before the tables. */
  readonly top?: string;
  /** TOML lines of `[exec]`. */
  readonly exec?: string;
  readonly env?: Readonly<Record<string, string>>;
}

/** A relay that behaves as upstream's, and our agent's binary beside it. */
export class V1AgentSite implements AsyncDisposable {
  readonly site: Site;
  readonly trio: PythonTrio;

  private constructor(site: Site, trio: PythonTrio) {
    this.site = site;
    this.trio = trio;
  }

  static async start(...relayFlags: string[]): Promise<V1AgentSite> {
    const site = await Site.create();
    try {
      const trio = site.own(await PythonTrio.start(...relayFlags));
      return new V1AgentSite(site, trio);
    } catch (error) {
      await site[Symbol.asyncDispose]();
      throw error;
    }
  }

  get relay(): PythonPeer {
    return this.trio.relay;
  }

  /** Starts the binary, which asks the manager; does not wait for it. */
  async startAgent(options: V1AgentOptions = {}): Promise<Child> {
    const { id = 7, services = {}, top = "", exec = "", env = {} } = options;
    const lines = Object.entries(services)
      .map(([name, port]) => `${name} = "127.0.0.1:${port}"`);
    const config = await this.site.write(
      `aula-${id}.toml`,
      `device_id = ${id}
name = "aula-${id}"
manager = "${this.trio.managerUrl}"
state_dir = "${this.site.dir}/aula-${id}"
${top}
[services]
${lines.join("\n")}
[exec]
${exec}
`,
    );
    const argv = [BINARY, "run", "--config", config];
    return this.site.start(argv, { ...env }, `aula-${id}.log`);
  }

  /** Starts the binary and waits until the relay knows it. */
  async agent(options: V1AgentOptions = {}): Promise<Child> {
    const child = await this.startAgent(options);
    await this.relay.event("registered", { id: options.id ?? 7 });
    return child;
  }

  /**
   * As {@linkcode agent}, with a program that runs `script`. Returns its path:
   * programs by name are taken from the system's directories alone.
   */
  async execAgent(
    script: string,
    options: V1AgentOptions = {},
  ): Promise<string> {
    const { path } = this.site.own(await fakeCommand(script));
    await this.agent({ exec: `allow = [["${path}", "*"]]`, ...options });
    return path;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.site[Symbol.asyncDispose]();
  }
}
