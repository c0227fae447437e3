import { randomBytes } from "node:crypto";
import { existsSync } from "node:fs";
import { resolve } from "node:path";
import { runChild } from "../test/support/child.ts";
import { networkMissing } from "../test/support/network.ts";
import { BINARY, Site } from "../test/support/site.ts";
import { LineFeed } from "../test/support/line_feed.ts";
import type { LineOrder } from "./lane.ts";

const NEAR_ADDRESS = "10.214.1.1";
const FAR_ADDRESS = "10.214.1.2";
const SET_TIMEOUT_MS = 5_000;

/** Returns why there can be no long line here, or undefined. */
export function wanMissing(): string | undefined {
  if (!existsSync(BINARY)) return "run ./scripts/build first";
  if (!existsSync("/dev/net/tun")) return "there is no /dev/net/tun";
  return networkMissing();
}

/**
 * Operator and gateway in one namespace, agent and service in another, and one
 * {@linkcode LineOrder line} between them: the tunnel has all of it in one of
 * its hops, as a plain connection has.
 */
export class WanSite implements AsyncDisposable {
  /** Where a client dials: the service itself, or our operator's port. */
  readonly targets: Readonly<Record<string, readonly [string, number]>>;
  readonly #stack: AsyncDisposableStack;
  readonly #under: readonly string[];
  readonly #order: (order: LineOrder) => Promise<void>;

  private constructor(
    stack: AsyncDisposableStack,
    under: readonly string[],
    order: (order: LineOrder) => Promise<void>,
    targets: Readonly<Record<string, readonly [string, number]>>,
  ) {
    this.#stack = stack;
    this.#under = under;
    this.#order = order;
    this.targets = targets;
  }

  static async create(product: string): Promise<WanSite> {
    await using stack = new AsyncDisposableStack();
    const base = `mf-${randomBytes(3).toString("hex")}`;
    const [near, far] = [`${base}-n`, `${base}-f`];
    for (const name of [near, far]) {
      await run("ip", "netns", "add", name);
      stack.defer(async () =>
        void await runChild(["ip", "netns", "del", name])
      );
    }
    const order = await startLine(stack, near, far);
    const at = (name: string) => ["ip", "netns", "exec", name];
    const site = stack.use(await Site.create(NEAR_ADDRESS));
    const program = resolve(import.meta.dir, "service.ts");
    const service = site.start([
      ...[...at(far), process.execPath, program, "0.0.0.0"],
    ]);
    const servicePort = portIn(await service.line(/^listening /));
    const gateway = await site.gateway({
      address: NEAR_ADDRESS,
      under: at(near),
    });
    const url = `wss://${NEAR_ADDRESS}:${gateway.port}/tunnel`;
    const services = { bench: servicePort };
    await site.agent({ id: 7, url, services, under: at(far) });
    const operator = await site.identity("operator", "bench");
    const child = site.start([
      ...[...at(near), BINARY, "connect", "7", "bench"],
      ...["--listen", "127.0.0.1:0", ...site.operatorFlags(url, operator)],
    ]);
    const port = portIn(await child.line(/^listening /));
    return new WanSite(stack.move(), at(near), order, {
      direct: [FAR_ADDRESS, servicePort],
      [product]: ["127.0.0.1", port],
    });
  }

  /** How the line is from now on. */
  async shape(order: LineOrder): Promise<void> {
    await this.#order(order);
  }

  /** Returns the bytes per second of a download, once it has got going. */
  async measure(
    target: string,
    warmMs: number,
    measureMs: number,
  ): Promise<number> {
    const [address, port] = this.targets[target] ?? ["", 0];
    const { stdout, stderr } = await runChild([
      ...[...this.#under, process.execPath],
      resolve(import.meta.dir, "wan_client.ts"),
      ...[address, String(port), String(warmMs), String(measureMs)],
    ]);
    const [, rate] = /^steady (\S+)$/m.exec(stdout) ?? [];
    if (rate === undefined) throw new Error(`No figure: ${stderr}`);
    return Number(rate);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#stack.disposeAsync();
  }
}

/** Joins two namespaces. Returns what shapes the line between them. */
async function startLine(
  stack: AsyncDisposableStack,
  near: string,
  far: string,
): Promise<(order: LineOrder) => Promise<void>> {
  const program = resolve(import.meta.dir, "slow_line.ts");
  const argv = [process.execPath, program, "near", "far"];
  const child = Bun.spawn(["ip", "netns", "exec", near, ...argv], {
    stdin: "pipe",
    stdout: "pipe",
    stderr: "inherit",
  });
  stack.defer(async () => {
    child.kill("SIGKILL");
    await child.exited;
  });
  const feed = new LineFeed();
  void readLines(child.stdout, feed);
  await feed.first(/^ready/, SET_TIMEOUT_MS);
  await run("ip", "-n", near, "link", "set", "far", "netns", far);
  const sides = [[near, "near", NEAR_ADDRESS], [far, "far", FAR_ADDRESS]];
  for (const [name = "", device = "", address = ""] of sides) {
    const peer = address === NEAR_ADDRESS ? FAR_ADDRESS : NEAR_ADDRESS;
    await run("ip", "-n", name, "link", "set", "lo", "up");
    const own = ["addr", "add", address, "peer", peer, "dev", device];
    await run("ip", "-n", name, ...own);
    const up = ["link", "set", device, "txqueuelen", "10000", "up"];
    await run("ip", "-n", name, ...up);
    // A connection must not know how the one before it went.
    const file = "/proc/sys/net/ipv4/tcp_no_metrics_save";
    await run("ip", "netns", "exec", name, "sh", "-c", `echo 1 >${file}`);
  }
  let orderCount = 0;
  return async (order) => {
    const line = `${JSON.stringify(order)}\n`;
    child.stdin.write(line);
    child.stdin.flush();
    await feed.first(new RegExp(`^set ${++orderCount}$`), SET_TIMEOUT_MS);
  };
}

async function readLines(
  stream: ReadableStream<Uint8Array<ArrayBuffer>>,
  feed: LineFeed,
): Promise<void> {
  for await (const chunk of stream.pipeThrough(new TextDecoderStream())) {
    for (const line of chunk.split("\n")) feed.push(line);
  }
  feed.end();
}

async function run(...argv: string[]): Promise<void> {
  const { status, stderr } = await runChild(argv);
  if (status !== 0) throw new Error(`${argv.join(" ")}: ${stderr}`);
}

function portIn(line: string): number {
  return Number(line.trim().split(":").at(-1));
}
