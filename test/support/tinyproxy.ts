import { createServer } from "node:net";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { type Child, startChild } from "./child.ts";
import { TestServer } from "./dial_both.ts";
import { makeTemporaryDir } from "./temporary_dir.ts";

/** A real HTTP CONNECT proxy on a free port of this computer. */
export interface Tinyproxy extends AsyncDisposable {
  readonly port: number;
  /** All that it has said: a line for each CONNECT, among others. */
  readonly output: () => string;
}

/** How often another program may take the port that was free a moment ago. */
const ATTEMPTS_MAX_COUNT = 5;

/**
 * Starts tinyproxy.
 *
 * @param lines More of its configuration, `BasicAuth ana secret` for one.
 */
export async function startTinyproxy(
  ...lines: readonly string[]
): Promise<Tinyproxy> {
  const dir = await makeTemporaryDir("tinyproxy");
  for (let attempt = 1;; attempt++) {
    const port = await freePort();
    const file = join(dir.path, "tinyproxy.conf");
    const own = [`Port ${port}`, "Listen 127.0.0.1", "MaxClients 64"];
    await writeFile(file, [...own, ...lines, ""].join("\n"));
    const child = startChild(["tinyproxy", "-d", "-c", file]);
    if (await accepts(child)) {
      return {
        port,
        output: () => child.output().stdout,
        [Symbol.asyncDispose]: async () => {
          await child[Symbol.asyncDispose]();
          await dir[Symbol.asyncDispose]();
        },
      };
    }
    await child[Symbol.asyncDispose]();
    if (attempt === ATTEMPTS_MAX_COUNT) {
      throw new Error(`Cannot start tinyproxy: ${child.output().stdout}`);
    }
  }
}

/** It tells on stdout, where no log file is named. */
async function accepts(child: Child): Promise<boolean> {
  const line = await Promise.race([
    child.line(/Accepting connections|Could not create/),
    child.exited.then(() => "exited"),
  ]);
  return line.includes("Accepting connections");
}

async function freePort(): Promise<number> {
  await using server = await TestServer.listen(createServer());
  return server.port;
}
