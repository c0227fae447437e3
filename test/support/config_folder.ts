import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import type * as z from "zod/mini";
import {
  loadConfig,
  type LoadedConfig,
} from "../../src/runtime/config_file.ts";
import { Fault } from "../../src/protocol/fault.ts";
import { rejection } from "./rejection.ts";
import { makeTemporaryDir } from "./temporary_dir.ts";

/** A folder with one configuration file, for as long as a test needs it. */
export class ConfigFolder implements AsyncDisposable {
  readonly #folder: AsyncDisposable & { readonly path: string };

  private constructor(folder: AsyncDisposable & { readonly path: string }) {
    this.#folder = folder;
  }

  static async make(): Promise<ConfigFolder> {
    return new ConfigFolder(await makeTemporaryDir("config"));
  }

  get dir(): string {
    return this.#folder.path;
  }

  get file(): string {
    return join(this.dir, "test.toml");
  }

  /** Writes `toml` and reads it as a configuration called "test settings". */
  async load<S extends z.ZodMiniObject>(
    schema: S,
    toml: string | Uint8Array,
    env: Record<string, string> = {},
  ): Promise<LoadedConfig<z.output<S>>> {
    await writeFile(this.file, toml);
    return await loadConfig({
      schema,
      file: this.file,
      fileRequired: true,
      env,
      envPrefix: "X_",
      what: "test settings",
    });
  }

  /** As {@linkcode load}; returns what is wrong, with the path as FILE. */
  async fault(
    schema: z.ZodMiniObject,
    toml: string | Uint8Array,
    env: Record<string, string> = {},
  ): Promise<{ code: string; message: string; hint: string | undefined }> {
    const error = await rejection(this.load(schema, toml, env));
    if (!(error instanceof Fault)) throw error;
    const { code, message, hint } = error;
    const plain = (text: string) => text.replaceAll(this.file, "FILE");
    return { code, message: plain(message), hint: hint && plain(hint) };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#folder[Symbol.asyncDispose]();
  }
}
