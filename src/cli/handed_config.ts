import { join } from "node:path";
import { agentConfig } from "../agent/config.ts";
import {
  discoveredByRoot,
  HANDED,
  parseHandedFacts,
  withHandedFiles,
} from "../agent/handed_identity.ts";
import type { Clock } from "../base/clock.ts";
import { Fault } from "../protocol/fault.ts";
import { fileChange, fileStamp } from "../runtime/file_watch.ts";
import { errorCode, readText } from "../runtime/files.ts";
import {
  type AgentSettingsFile,
  type CompleteAgentConfig,
  machineDefaults,
} from "./agent_config.ts";

/** What root has handed over in `dir`, for an agent that may not ask itself. */
export class HandedConfig {
  readonly #dir: string;
  readonly #clock: Clock;
  #watch = new AbortController();

  constructor(dir: string, clock: Clock) {
    this.#dir = dir;
    this.#clock = clock;
  }

  /**
   * Puts together what is written and what root has handed over.
   *
   * @throws {Fault} Why there is no configuration yet.
   */
  async complete(settings: AgentSettingsFile): Promise<CompleteAgentConfig> {
    const facts = parseHandedFacts(await this.#factsText());
    const found = discoveredByRoot(facts);
    const config = agentConfig(settings.file, machineDefaults(), found);
    if (!config) {
      throw new Fault(
        "configInvalid",
        "Cannot run: root has handed over less than is needed",
        { hint: "Run `systemctl start migasfree-agent-identity`" },
      );
    }
    const handed = withHandedFiles(config, this.#dir);
    return { config: handed, found, fault: undefined };
  }

  /** Resolves when root hands something else over; ends the last such wait. */
  async changed(signal: AbortSignal): Promise<void> {
    this.#watch.abort();
    this.#watch = new AbortController();
    const stamp = fileStamp(this.#factsFile);
    const either = AbortSignal.any([signal, this.#watch.signal]);
    const change = fileChange(
      [this.#factsFile],
      () => stamp,
      this.#clock,
      either,
    );
    try {
      await change;
    } catch (error) {
      if (!either.aborted) throw error;
      // Nobody waits for it any more: never is as good as any time.
      await new Promise(() => undefined);
    }
  }

  get #factsFile(): string {
    return join(this.#dir, HANDED.facts);
  }

  async #factsText(): Promise<string> {
    try {
      return await readText(this.#factsFile, "what root hands over");
    } catch (error) {
      const cause = error instanceof Fault ? error.cause : error;
      if (errorCode(cause) !== "ENOENT") throw error;
      throw new Fault(
        "configInvalid",
        "Cannot run: root has not yet handed over this computer's identity",
        { hint: "Wait, or run `systemctl start migasfree-agent-identity`" },
      );
    }
  }
}
