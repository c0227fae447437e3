import { PythonTrio, type TrioTls } from "../peers/python_trio.ts";
import { type Child, runChild } from "../support/child.ts";
import type { PythonPeer } from "../support/python_peer.ts";
import { BINARY, type Identity, Site } from "../support/site.ts";

/** A relay as upstream's, with TLS, and our operator's binary. */
export class V1OperatorSite implements AsyncDisposable {
  readonly site: Site;
  readonly trio: PythonTrio;
  readonly tls: TrioTls;

  private constructor(site: Site, trio: PythonTrio, tls: TrioTls) {
    this.site = site;
    this.trio = trio;
    this.tls = tls;
  }

  static async start(...relayFlags: string[]): Promise<V1OperatorSite> {
    const site = await Site.create();
    try {
      const relay = gatewayIdentity(site);
      const agent = await site.identity("computer", "uuid-7_1");
      const operator = await site.identity("operator", "maria");
      const tls = { relay, agent, operator };
      const trio = site.own(await PythonTrio.startTls(tls, ...relayFlags));
      return new V1OperatorSite(site, trio, tls);
    } catch (error) {
      await site[Symbol.asyncDispose]();
      throw error;
    }
  }

  get relay(): PythonPeer {
    return this.trio.relay;
  }

  /** Runs a command of an operator to its end. */
  async run(
    command: readonly string[],
    after: readonly string[] = [],
    identity: Identity = this.tls.operator,
    url: string = this.trio.relayUrl,
  ): Promise<{ status: number; stdout: string; stderr: string }> {
    const flags = this.site.operatorFlags(url, identity);
    const argv = [BINARY, ...command, ...flags, ...after];
    return await runChild(argv, { env: { HOME: this.site.dir } });
  }

  /** Starts `connect --listen`; waits for its port. */
  async listen(
    device: string,
    service: string,
    url: string = this.trio.relayUrl,
  ): Promise<{ child: Child; port: number }> {
    const flags = this.site.operatorFlags(url, this.tls.operator);
    const args = ["connect", device, service, "--listen", "127.0.0.1:0"];
    const child = this.site.start([BINARY, ...args, ...flags]);
    const line = await child.line(/^listening 127\.0\.0\.1:\d+$/);
    return { child, port: Number(line.split(":").at(-1)) };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.site[Symbol.asyncDispose]();
  }
}

/** What `pki init` has made for the gateway of `site`. */
export function gatewayIdentity({ pkiDir }: Site): Identity {
  return {
    ca_file: `${pkiDir}/ca.pem`,
    cert_file: `${pkiDir}/gateway/cert.pem`,
    key_file: `${pkiDir}/gateway/key.pem`,
  };
}
