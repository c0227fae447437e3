import { chown, mkdir, readdir, rename, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import type * as z from "zod/mini";
import { Fault } from "../protocol/fault.ts";
import {
  createFile,
  errorCode,
  fileFault,
  readText,
  writeFileAtomically,
} from "./files.ts";

/** What becomes of a token or a request, each a folder of `DIR/enroll`. */
export type EnrollFolder = "tokens" | "used" | "pending" | "approved";

const FILE_MODE = 0o600;
const DIRECTORY_MODE = 0o700;
const ID_REGEXP = /^[0-9a-f]{1,64}$/;

/**
 * Small JSON records in folders below the directory of a CA. A record moves
 * from one folder to another whole, and only one of several movers does it.
 */
export class EnrollFiles {
  readonly #root: string;

  /** @param root The directory of the CA. */
  constructor(root: string) {
    this.#root = root;
  }

  /** Reads a record; undefined if there is none. @throws {Fault} `configInvalid` */
  async read<T extends z.ZodMiniType>(
    folder: EnrollFolder,
    id: string,
    schema: T,
  ): Promise<z.output<T> | undefined> {
    const path = this.#path(folder, id);
    const text = await readIfThere(path);
    if (text === undefined) return undefined;
    const parsed = schema.safeParse(parseJson(text));
    if (parsed.success) return parsed.data;
    throw new Fault("configInvalid", `Cannot read ${path}: it is broken`, {
      hint: "Remove it, or restore it from a backup",
    });
  }

  /** Creates a record. Returns false if it is there already. */
  async create(
    folder: EnrollFolder,
    id: string,
    record: object,
  ): Promise<boolean> {
    const path = this.#path(folder, id);
    await this.#makeFolder(folder);
    try {
      await createFile(path, textOf(record), FILE_MODE);
    } catch (error) {
      const cause = error instanceof Fault ? error.cause : error;
      if (errorCode(cause) === "EEXIST") return false;
      throw error;
    }
    await this.#giveAway(path);
    return true;
  }

  /** Writes a record over what is there. */
  async write(
    folder: EnrollFolder,
    id: string,
    record: object,
  ): Promise<void> {
    const path = this.#path(folder, id);
    await this.#makeFolder(folder);
    await writeFileAtomically(path, textOf(record), FILE_MODE);
    await this.#giveAway(path);
  }

  /** Moves a record. Returns false if it is not there, or not any more. */
  async move(
    id: string,
    from: EnrollFolder,
    to: EnrollFolder,
  ): Promise<boolean> {
    const path = this.#path(from, id);
    await this.#makeFolder(to);
    try {
      await rename(path, this.#path(to, id));
      return true;
    } catch (error) {
      if (errorCode(error) === "ENOENT") return false;
      throw fileFault("move record", path, error);
    }
  }

  async remove(folder: EnrollFolder, id: string): Promise<void> {
    const path = this.#path(folder, id);
    try {
      await rm(path, { force: true });
    } catch (error) {
      throw fileFault("remove record", path, error);
    }
  }

  /** Returns the ids of a folder, sorted. */
  async list(folder: EnrollFolder): Promise<string[]> {
    const path = join(this.#root, "enroll", folder);
    try {
      return (await readdir(path))
        .filter((name) => name.endsWith(".json") && !name.startsWith("."))
        .map((name) => name.slice(0, -".json".length))
        .filter((id) => ID_REGEXP.test(id)).sort();
    } catch (error) {
      if (errorCode(error) === "ENOENT") return [];
      throw fileFault("list", path, error);
    }
  }

  /** What root makes must be the gateway's, whose user owns the directory. */
  async #giveAway(path: string): Promise<void> {
    if (process.getuid?.() !== 0) return;
    try {
      const { gid, uid } = await stat(this.#root);
      await chown(path, uid, gid);
    } catch (error) {
      throw fileFault("hand over", path, error);
    }
  }

  async #makeFolder(folder: EnrollFolder): Promise<void> {
    const parent = join(this.#root, "enroll");
    for (const path of [parent, join(parent, folder)]) {
      try {
        await mkdir(path, { mode: DIRECTORY_MODE });
      } catch (error) {
        if (errorCode(error) === "EEXIST") continue;
        throw fileFault("create directory", path, error);
      }
      await this.#giveAway(path);
    }
  }

  /** @throws {Fault} `usageInvalid`: an id that could be another path. */
  #path(folder: EnrollFolder, id: string): string {
    if (!ID_REGEXP.test(id)) {
      throw new Fault("usageInvalid", "Cannot find record: its id is none", {
        hint: "Give an id as `migasfree-agent pki pending` prints it",
      });
    }
    return join(this.#root, "enroll", folder, `${id}.json`);
  }
}

function textOf(record: object): string {
  return `${JSON.stringify(record, undefined, 2)}\n`;
}

async function readIfThere(path: string): Promise<string | undefined> {
  try {
    return await readText(path, "record");
  } catch (error) {
    const cause = error instanceof Fault ? error.cause : error;
    if (errorCode(cause) === "ENOENT") return undefined;
    throw error;
  }
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined; // The schema says that it is broken.
  }
}
