import { fakeCommand } from "../peers/python_trio.ts";
import { runChild } from "../support/child.ts";
import type { PythonPeer } from "../support/python_peer.ts";
import { BINARY, type Site } from "../support/site.ts";
import { V1GatewaySite } from "./v1_gateway_site.ts";
import { V1OperatorSite } from "./v1_operator_site.ts";

/** Whose program plays a part: this project's, or what behaves as upstream's. */
export type Whose = "this" | "upstream";

/** Who talks to whom. */
export interface Pairing {
  readonly agent: Whose;
  readonly gateway: Whose;
  readonly operator: Whose;
}

const BOTH: readonly Whose[] = ["this", "upstream"];

/** All eight. */
export const PAIRINGS: readonly Pairing[] = BOTH.flatMap((agent) =>
  BOTH.flatMap((gateway) =>
    BOTH.map((operator) => ({ agent, gateway, operator }))
  )
);

const DEVICE_ID = 7;

/** One of the eight, with mutual TLS, at work. */
export class PairingSite implements AsyncDisposable {
  readonly #made: V1GatewaySite | V1OperatorSite;
  readonly #pairing: Pairing;
  /** How the agent knows the program that it runs. */
  #program = "migasfree";

  private constructor(
    made: V1GatewaySite | V1OperatorSite,
    pairing: Pairing,
  ) {
    this.#made = made;
    this.#pairing = pairing;
  }

  /**
   * @param services Name => port of 127.0.0.1.
   * @param script What its migasfree does.
   */
  static async start(
    pairing: Pairing,
    services: Readonly<Record<string, number>>,
    script: string,
  ): Promise<PairingSite> {
    const made = pairing.gateway === "this"
      ? await V1GatewaySite.start()
      : await V1OperatorSite.start();
    try {
      const pair = new PairingSite(made, pairing);
      const { env, path } = made.site.own(await fakeCommand(script));
      if (pairing.agent === "this") {
        pair.#program = path;
        await pair.#ownAgent(services, path);
      } else if (made instanceof V1GatewaySite) {
        await made.agent(DEVICE_ID, { services, env });
      } else {
        await made.trio.agent(DEVICE_ID, services, [], env);
        await made.relay.event("registered");
      }
      return pair;
    } catch (error) {
      await made[Symbol.asyncDispose]();
      throw error;
    }
  }

  /** Whether upstream's fault is in play that no agent can mend. */
  get blocks(): boolean {
    const { gateway, operator } = this.#pairing;
    return gateway === "upstream" && operator === "upstream";
  }

  /** Starts an operator; returns the port that it listens on. */
  async listen(service: string): Promise<number> {
    if (this.#pairing.operator === "upstream") {
      return (await this.#connect("--service", service)).port;
    }
    const way = ["--listen", "127.0.0.1:0", ...this.#flags()];
    const child = this.#made.site.start(
      [BINARY, "connect", `${DEVICE_ID}`, service, ...way],
    );
    const line = await child.line(/^listening 127\.0\.0\.1:\d+$/);
    return Number(line.split(":").at(-1));
  }

  /** Runs the agent's migasfree with plain words, to its end. */
  async exec(
    ...words: readonly string[]
  ): Promise<{ status: number; stdout: string }> {
    const argv = [this.#program, ...words];
    if (this.#pairing.operator === "upstream") {
      const peer = await this.#connect("-e", argv.join(" "));
      const status = await peer.exited;
      const stdout = peer.events("output", { stream: "stdout" })
        .map(({ data }) => data).join("");
      return { status, stdout };
    }
    const { status, stdout } = await runChild(
      [BINARY, "exec", `${DEVICE_ID}`, ...this.#flags(), "--", ...argv],
      { env: { HOME: this.#made.site.dir } },
    );
    return { status, stdout };
  }

  async #connect(...flags: string[]): Promise<PythonPeer> {
    const made = this.#made;
    const from = made instanceof V1GatewaySite ? made : made.trio;
    return await from.connect(DEVICE_ID, ...flags);
  }

  #flags(): string[] {
    const made = this.#made;
    return made instanceof V1GatewaySite
      ? made.site.operatorFlags(made.url, made.operator)
      : made.site.operatorFlags(made.trio.relayUrl, made.tls.operator);
  }

  /** Our agent, which the manager tells where to go. */
  async #ownAgent(
    services: Readonly<Record<string, number>>,
    program: string,
  ): Promise<void> {
    const made = this.#made;
    const { site }: { site: Site } = made;
    const isNew = made instanceof V1GatewaySite;
    const identity = isNew ? await made.computer(DEVICE_ID) : made.tls.agent;
    const origin = isNew ? made.origin : made.trio.managerUrl;
    const lines = Object.entries(services)
      .map(([name, port]) => `${name} = "127.0.0.1:${port}"`);
    const config = await site.write(
      "agent.toml",
      `device_id = ${DEVICE_ID}
name = "aula-7"
manager = "${origin}"
ca_file = "${identity.ca_file}"
cert_file = "${identity.cert_file}"
key_file = "${identity.key_file}"
state_dir = "${site.dir}/agent"
[services]
${lines.join("\n")}
[exec]
allow = [["${program}", "*"]]
`,
    );
    const argv = [BINARY, "run", "--config", config];
    const child = site.start(argv, {}, "agent.log");
    await child.line(/link\.open /);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#made[Symbol.asyncDispose]();
  }
}
