import { mkdir } from "node:fs/promises";
import { dirname } from "node:path";
import type { Log } from "../base/log.ts";
import type { Scope } from "../base/scope.ts";
import { serveStatus } from "../runtime/status_socket.ts";
import type { AgentStatus } from "./agent_status_schema.ts";

/** The state directory, where the agent has to make it. */
const STATE_DIR_MODE = 0o750;

/** What an agent answers on its status socket, which the scope owns. */
export class OwnStatus {
  readonly #socket: string;
  readonly #scope: Scope;
  readonly #log: Log;
  #look: (() => Promise<AgentStatus>) | undefined;

  constructor(socket: string, scope: Scope, log: Log) {
    this.#socket = socket;
    this.#scope = scope;
    this.#log = log;
  }

  /**
   * From now on answers what `look` returns; the first time it opens the
   * socket. It is for people: an agent that cannot open it works as well.
   */
  async show(look: () => Promise<AgentStatus>): Promise<void> {
    const isFirst = this.#look === undefined;
    this.#look = look;
    if (!isFirst) return;
    try {
      if (process.platform !== "win32") {
        const mode = STATE_DIR_MODE;
        await mkdir(dirname(this.#socket), { recursive: true, mode });
      }
      this.#scope.own(await serveStatus(this.#socket, () => this.#look?.()));
    } catch (error) {
      this.#log.warn("status.unavailable", { socket: this.#socket }, error);
    }
  }
}
