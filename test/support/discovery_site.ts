import { FakeManager } from "./fake_manager.ts";
import { FakeMigasfree } from "./fake_migasfree.ts";
import type { Child } from "./child.ts";
import { BINARY, type Identity, Site } from "./site.ts";

/** A site as migasfree makes one: its manager, and a computer's client. */
export class DiscoverySite implements AsyncDisposable {
  readonly site: Site;
  readonly gateway: Awaited<ReturnType<Site["gateway"]>>;
  readonly manager: FakeManager;
  readonly migasfree: FakeMigasfree;
  /** The computer's, as its client keeps it. */
  readonly identity: Identity;

  private constructor(
    site: Site,
    gateway: Awaited<ReturnType<Site["gateway"]>>,
    manager: FakeManager,
    migasfree: FakeMigasfree,
    identity: Identity,
  ) {
    this.site = site;
    this.gateway = gateway;
    this.manager = manager;
    this.migasfree = migasfree;
    this.identity = identity;
  }

  /** Makes one whose computer is registered, as device 7. */
  static async create(): Promise<DiscoverySite> {
    const site = await Site.create();
    try {
      const gateway = await site.gateway();
      const manager = await FakeManager.start(site, gateway.url);
      const migasfree = await FakeMigasfree.install(site);
      const identity = await site.identity("computer", "uuid-7_1");
      const made = new DiscoverySite(
        site,
        gateway,
        manager,
        migasfree,
        identity,
      );
      await migasfree.conf(made.conf());
      await migasfree.id("echo 7");
      return made;
    } catch (error) {
      await site[Symbol.asyncDispose]();
      throw error;
    }
  }

  /** What migasfree prints of its configuration. */
  conf(): Record<string, unknown> {
    return {
      server: `localhost:${this.manager.port}`,
      project: "debian-13",
      "computer_name": "aula-7",
      user: "root",
      uuid: "uuid-7",
      "api_protocol": "https",
      "manage_devices": true,
      "ca_file": this.identity.ca_file,
      later: ["unknown"],
    };
  }

  /** Starts an agent whose configuration says `toml` and where its state is. */
  async start(
    toml = "",
    env: Readonly<Record<string, string>> = this.migasfree.env,
  ): Promise<{ child: Child; config: string }> {
    const state = `state_dir = "${this.site.dir}/agent"`;
    const config = await this.site.write("agent.toml", `${state}\n${toml}`);
    const argv = [BINARY, "run", "--config", config];
    return { child: this.site.start(argv, env, "agent.log"), config };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.site[Symbol.asyncDispose]();
  }
}

/** How many lines of what a program said `pattern` matches. */
export function lineCount(child: Child, pattern: RegExp): number {
  const { stderr } = child.output();
  return stderr.split("\n").filter((line) => pattern.test(line)).length;
}
