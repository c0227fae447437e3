import { existsSync } from "node:fs";
import { mkdir, readdir, rm, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { startListener } from "../test/support/listener.ts";
import { type Identity, Site } from "../test/support/site.ts";
import { dialTest, serveTcp } from "../test/support/tcp_peer.ts";
import { sendRandom } from "../test/support/transfer.ts";
import { waitUntil } from "./wait_until.ts";
import type { Wine } from "./wine.ts";
import { wineAgentPids } from "./wine_agent_pids.ts";

const PROGRAM = "C:\\Program Files\\migasfree-agent\\migasfree-agent.exe";
const DATA_DIR = "ProgramData/migasfree-agent";
/** Where a service of Wine's is told, wrongly, that ProgramData is. */
const WRONG_DATA_DIR = "users/Public/migasfree-agent";
const PRODUCTS_KEY =
  "HKLM\\Software\\Microsoft\\Windows\\CurrentVersion\\Uninstall";
const TUNNEL_MEGABYTES = 16;
const ONLINE_WAIT_MS = 60_000;
const STOP_MAX_MS = 5_000;

/** Goes through what a Windows program has to do, with a gateway here. */
export class WineLab implements AsyncDisposable {
  readonly #wine: Wine;
  readonly #stack = new AsyncDisposableStack();
  #site!: Site;
  #url = "";
  #operator!: Identity;
  #toml = "";

  private constructor(wine: Wine) {
    this.#wine = wine;
  }

  /** Starts a gateway, and a service that echoes. */
  static async create(wine: Wine): Promise<WineLab> {
    const lab = new WineLab(wine);
    const site = lab.#site = lab.#stack.use(await Site.create());
    const echo = lab.#stack.use(
      await serveTcp((socket) => void socket.pipe(socket)),
    );
    lab.#url = (await site.gateway()).url;
    lab.#operator = await site.identity("operator", "ana");
    const { ca_file, cert_file, key_file } = await site.identity(
      "computer",
      "uuid-7_1",
    );
    // Under Wine a refused ::1 of "localhost" leads to no second attempt.
    const url = lab.#url.replace("localhost", "127.0.0.1");
    // Wine shows the root directory of this computer as Z:.
    lab.#toml = `device_id = 7
name = "windows-7"
gateway = "${url}"
ca_file = "Z:${ca_file}"
cert_file = "Z:${cert_file}"
key_file = "Z:${key_file}"
[services]
echo = "127.0.0.1:${echo.port}"
`;
    await lab.#clean();
    return lab;
  }

  /** `version`, `doctor`, and `run` as a program of a terminal. */
  async console(): Promise<void> {
    say(`version: ${(await this.#agent("version")).stdout.trim()}`);
    await this.#writeConfig();
    const child = this.#wine.start(PROGRAM, "run");
    await child.line(/link\.open /, ONLINE_WAIT_MS);
    say("run: online");
    await this.#moveBytes("run");
    await this.#doctor();
    const status = await this.#agent("status", "--json");
    demand("status says online", status.status === 0);
    await child[Symbol.asyncDispose]();
    await this.#endAgents();
    await this.#offline();
  }

  /** Install, use, stop, start, crash, hang, uninstall. */
  async service(): Promise<void> {
    const early = await this.#agent("service", "start");
    demand("start of no service ends with 69", early.status === 69);
    const installed = await this.#must("service", "install");
    say(`service install:\n${indent(installed.stderr)}`);
    await this.#online();
    const again = await this.#must("service", "install");
    demand("a second install changes it", again.stderr.includes("anew"));
    await this.#online();
    await this.#moveBytes("service");
    const state = JSON.parse(
      (await this.#must("service", "status", "--json")).stdout,
    );
    demand("status says running", state.running === true && state.pid > 0);
    const startMs = performance.now();
    await this.#must("service", "stop");
    const stopMs = performance.now() - startMs;
    say(`service stop: ${Math.round(stopMs)} ms, command included`);
    demand("it stops within 5 s", stopMs < STOP_MAX_MS);
    await this.#offline();
    await this.#must("service", "stop");
    await this.#must("service", "start");
    await this.#online();
    await this.#crash("SIGKILL");
    await this.#crash("SIGSTOP");
    await this.#must("service", "uninstall");
    const after = await this.#agent("service", "status");
    demand("nothing is installed any more", after.status === 69);
    demand("the configuration is kept", existsSync(this.#configPath));
    await this.#must("service", "uninstall", "--purge");
    demand("and purged", !existsSync(join(this.#wine.drive, DATA_DIR)));
    say("service uninstall: nothing left but the program");
  }

  /** The package: its service runs, is replaced by a newer one, and goes. */
  async msi(path: string, newerPath: string | undefined): Promise<void> {
    await this.#writeConfig();
    await this.#installMsi("/i", path);
    await this.#online();
    await this.#moveBytes("msi");
    if (newerPath !== undefined) await this.#upgradeMsi(newerPath);
    await this.#installMsi("/x", newerPath ?? path);
    await this.#offline();
    const dir = join(this.#wine.drive, "Program Files/migasfree-agent");
    const left = existsSync(dir) ? await readdir(dir) : [];
    say(
      `msi: installed, online, removed; left: ${left.join(" ") || "nothing"}`,
    );
    demand("no product is left", await this.#productCount() === 0);
  }

  async #upgradeMsi(path: string): Promise<void> {
    const [before] = await wineAgentPids(PROGRAM);
    await this.#installMsi("/i", path);
    await waitUntil("another agent runs", async () => {
      const now = await wineAgentPids(PROGRAM);
      return now.length === 1 && now[0] !== before;
    });
    await this.#online();
    await this.#moveBytes("msi, upgraded");
    demand("one product is there", await this.#productCount() === 1);
    demand("the configuration is kept", existsSync(this.#configPath));
    say("msi: upgraded in place, one product, online again");
  }

  /** @param how `/i` or `/x`. */
  async #installMsi(how: string, path: string): Promise<void> {
    const file = `Z:${path.replaceAll("/", "\\")}`;
    await this.#wine.must("msiexec", how, file, "/qn");
  }

  /** How many products of ours Windows knows. */
  async #productCount(): Promise<number> {
    const { stdout } = await this.#wine.run("reg", "query", PRODUCTS_KEY, "/s");
    return stdout.match(/DisplayName\s+REG_SZ\s+migasfree agent/g)?.length ?? 0;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#clean();
    await this.#stack.disposeAsync();
  }

  /** A busy machine may let the agent's answer take longer than its 3 s. */
  async #doctor(): Promise<void> {
    await waitUntil("doctor finds nothing", async () => {
      const { status, stdout } = await this.#agent("doctor", "--json");
      const rows: { check: string; result: string }[] = JSON.parse(stdout);
      const said = rows.map(({ check, result }) => `${check} ${result}`);
      say(`doctor: ${said.join(", ")}`);
      return status === 0;
    });
  }

  /** The agent ends, or stops to answer; its host is to notice. */
  async #crash(signal: "SIGKILL" | "SIGSTOP"): Promise<void> {
    const before = await wineAgentPids(PROGRAM);
    demand("one agent runs", before.length === 1);
    const startMs = performance.now();
    for (const pid of before) process.kill(pid, signal);
    await waitUntil("another agent runs", async () => {
      const now = await wineAgentPids(PROGRAM);
      return now.length === 1 && now[0] !== before[0];
    });
    const replacedMs = performance.now() - startMs;
    await this.#online();
    await this.#moveBytes(signal);
    say(`${signal}: another agent after ${Math.round(replacedMs)} ms`);
  }

  async #moveBytes(where: string): Promise<void> {
    const { child, port } = await startListener(
      this.#site,
      this.#url,
      this.#operator,
      "7",
      "echo",
    );
    using client = await dialTest(port);
    const startMs = performance.now();
    const sent = await sendRandom(client.socket, TUNNEL_MEGABYTES);
    const back = await client.ended;
    const seconds = (performance.now() - startMs) / 1_000;
    demand("the same bytes come back", Bun.deepEquals(back, sent));
    const rate = Math.round(TUNNEL_MEGABYTES * 2 / seconds);
    say(`${where}: ${TUNNEL_MEGABYTES} MiB there and back, ${rate} MiB/s`);
    await child[Symbol.asyncDispose]();
  }

  async #online(): Promise<void> {
    await waitUntil("the device is online", () => this.#isOnline());
  }

  async #offline(): Promise<void> {
    await waitUntil("it is offline", async () => !await this.#isOnline());
  }

  async #isOnline(): Promise<boolean> {
    const flags = this.#site.operatorFlags(this.#url, this.#operator);
    const text = await this.#site.cli(["devices", "--json", ...flags]);
    const devices: { id: number; online: boolean }[] = JSON.parse(text);
    return devices.some(({ id, online }) => id === 7 && online);
  }

  async #agent(...args: string[]) {
    return await this.#wine.run(PROGRAM, ...args);
  }

  async #must(...args: string[]) {
    const result = await this.#agent(...args);
    if (result.status === 0) return result;
    throw new Error(
      `${args.join(" ")}: exit ${result.status}\n${result.stderr}`,
    );
  }

  get #configPath(): string {
    return join(this.#wine.drive, DATA_DIR, "agent.toml");
  }

  async #writeConfig(): Promise<void> {
    await mkdir(join(this.#configPath, ".."), { recursive: true });
    await writeFile(this.#configPath, this.#toml);
    const wrong = join(this.#wine.drive, WRONG_DATA_DIR);
    await rm(wrong, { recursive: true, force: true });
    await symlink(join(this.#wine.drive, DATA_DIR), wrong);
  }

  async #clean(): Promise<void> {
    await this.#agent("service", "uninstall", "--purge");
    await this.#endAgents();
    const data = join(this.#wine.drive, DATA_DIR);
    await rm(data, { recursive: true, force: true });
  }

  /** Those of our own Windows: a signal ends Wine's loader, not its child. */
  async #endAgents(): Promise<void> {
    await this.#wine.run("taskkill", "/f", "/im", "migasfree-agent.exe");
  }
}

function demand(what: string, holds: boolean): void {
  if (!holds) throw new Error(`Does not hold: ${what}`);
}

function indent(text: string): string {
  return text.trim().split("\n").map((line) => `  ${line.trim()}`).join("\n");
}

function say(line: string): void {
  process.stdout.write(`${line}\n`);
}
