import { randomBytes } from "node:crypto";
import { runChild } from "./child.ts";
import { missingProgram, notLinux } from "./test_unless.ts";

/** A computer of a {@linkcode Network}. */
export interface NetworkSide {
  readonly address: string;
  /** What a program is started with to run there. */
  readonly under: readonly string[];
}

/** The address of {@linkcode Network.gateway}: a certificate must name it. */
export const GATEWAY_ADDRESS = "10.213.2.2";
const AGENT_ADDRESS = "10.213.1.2";
const AGENT_OTHER_ADDRESS = "10.213.1.3";
const AGENT_ROUTER = "10.213.1.1";

/** Returns why no network can be made here, or undefined. */
export function networkMissing(): string | undefined {
  return notLinux() ?? missingProgram("ip") ??
    (process.getuid?.() === 0 ? mayNotMake() : "only root can make networks");
}

/** Root in a container may be no more than a name. */
function mayNotMake(): string | undefined {
  const name = `mf-${randomBytes(4).toString("hex")}`;
  const made = Bun.spawnSync(["ip", "netns", "add", name]);
  if (made.exitCode !== 0) return "this root may not make networks";
  Bun.spawnSync(["ip", "netns", "del", name]);
  return undefined;
}

/**
 * Two computers and a router between them, each in a network namespace of its
 * own, out of sight of this computer's network.
 */
export class Network implements AsyncDisposable {
  readonly agent: NetworkSide;
  readonly gateway: NetworkSide;
  readonly #router: string;
  readonly #names: readonly string[];

  private constructor(agent: string, router: string, gateway: string) {
    const at = (name: string) => ["ip", "netns", "exec", name];
    this.agent = { address: AGENT_ADDRESS, under: at(agent) };
    this.gateway = { address: GATEWAY_ADDRESS, under: at(gateway) };
    this.#router = router;
    this.#names = [agent, router, gateway];
  }

  static async create(): Promise<Network> {
    const base = `mf-${randomBytes(4).toString("hex")}`;
    const [agent, router, gateway] = ["a", "r", "g"]
      .map((end) => `${base}-${end}`) as [string, string, string];
    const network = new Network(agent, router, gateway);
    try {
      for (const name of [agent, router, gateway]) {
        await ip("netns", "add", name);
        await ip("-n", name, "link", "set", "lo", "up");
      }
      await join(agent, AGENT_ADDRESS, router, AGENT_ROUTER);
      await join(gateway, GATEWAY_ADDRESS, router, "10.213.2.1");
      await network.mend();
      return network;
    } catch (error) {
      await network[Symbol.asyncDispose]();
      throw error;
    }
  }

  /** From now on the router drops everything, and says nothing about it. */
  async cut(): Promise<void> {
    await this.#forward(0);
  }

  async mend(): Promise<void> {
    await this.#forward(1);
  }

  /** The agent's computer gets another address in the place of its own. */
  async moveAgent(): Promise<void> {
    const name = this.#names[0] ?? "";
    const address = (verb: string, which: string) =>
      ip("-n", name, "addr", verb, `${which}/24`, "dev", "uplink");
    await address("del", AGENT_ADDRESS);
    await address("add", AGENT_OTHER_ADDRESS);
    await ip("-n", name, "route", "replace", "default", "via", AGENT_ROUTER);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    // One that was not made yet cannot be removed: nobody minds.
    for (const name of this.#names) {
      await runChild(["ip", "netns", "del", name]);
    }
  }

  async #forward(value: 0 | 1): Promise<void> {
    const file = "/proc/sys/net/ipv4/ip_forward";
    const write = ["sh", "-c", `echo ${value} >${file}`];
    await ip("netns", "exec", this.#router, ...write);
  }
}

/** Joins a computer to the router by a cable. */
async function join(
  name: string,
  address: string,
  router: string,
  routerAddress: string,
): Promise<void> {
  const port = `to-${name.at(-1)}`;
  const peer = ["peer", "name", "uplink", "netns", name];
  await ip("-n", router, "link", "add", port, "type", "veth", ...peer);
  await ip("-n", router, "addr", "add", `${routerAddress}/24`, "dev", port);
  await ip("-n", router, "link", "set", port, "up");
  await ip("-n", name, "addr", "add", `${address}/24`, "dev", "uplink");
  await ip("-n", name, "link", "set", "uplink", "up");
  await ip("-n", name, "route", "add", "default", "via", routerAddress);
}

async function ip(...args: string[]): Promise<void> {
  const { status, stderr } = await runChild(["ip", ...args]);
  if (status !== 0) throw new Error(`ip ${args.join(" ")}: ${stderr}`);
}
