import { type Child, runChild, startChild } from "../support/child.ts";
import { BINARY, type Identity, Site } from "../support/site.ts";

/**
 * A gateway, an operator and three devices: 7 runs any script and two commands
 * at once, 8 what is the default, 9 nothing.
 */
export class ExecSite implements AsyncDisposable {
  readonly site: Site;
  readonly url: string;
  readonly operator: Identity;

  private constructor(site: Site, url: string, operator: Identity) {
    this.site = site;
    this.url = url;
    this.operator = operator;
  }

  static async create(): Promise<ExecSite> {
    const site = await Site.create();
    // So long an agent waits for an operator who may come back.
    const tables = "[limits]\ndetach_ms = 500";
    const { url } = await site.gateway({ tables });
    const operator = await site.identity("operator", "maria");
    const top = `[exec]
allow = [["sh", "-c", "*"], ["printf", "<%s>", "*"]]
timeout_ms = 20000
concurrent_max = 2`;
    await site.agent({ id: 7, url, services: {}, top });
    await site.agent({ id: 8, url, services: {} });
    const none = "[exec]\nallow = []";
    await site.agent({ id: 9, url, services: { ssh: 1 }, top: none });
    return new ExecSite(site, url, operator);
  }

  get env(): { HOME: string } {
    return { HOME: this.site.dir };
  }

  argv(
    device: string,
    command: readonly string[],
    flags: readonly string[] = [],
  ): string[] {
    const gateway = this.site.operatorFlags(this.url, this.operator);
    return [BINARY, "exec", device, ...gateway, ...flags, "--", ...command];
  }

  /** Runs a command to its end. */
  async exec(
    device: string,
    command: readonly string[],
    flags: readonly string[] = [],
  ): Promise<{ status: number; stdout: string; stderr: string }> {
    const argv = this.argv(device, command, flags);
    return await runChild(argv, { env: this.env });
  }

  /** Starts a script on device 7. */
  start(script: string): Child {
    const argv = this.argv("7", ["sh", "-c", script]);
    return startChild(argv, { env: this.env });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.site[Symbol.asyncDispose]();
  }
}
