import { existsSync } from "node:fs";
import { copyFile, mkdir } from "node:fs/promises";
import { join } from "node:path";
import { type Child, runChild, startChild } from "../test/support/child.ts";
import { runTool } from "./package_commands.ts";

/** Debian keeps it out of PATH where only the 64-bit half is installed. */
const WINE_PLACES = ["/usr/lib/wine/wine64", "/usr/bin/wine64"];
/** Longer than any step: Wine ends services when its last program has ended. */
const KEEP_SECONDS = 900;

/** A Windows of our own, under Wine. */
export class Wine implements AsyncDisposable {
  /** What Windows calls C:. */
  readonly drive: string;
  readonly #wine: string;
  readonly #env: Readonly<Record<string, string>>;
  #keeper: Child | undefined;

  private constructor(wine: string, prefix: string) {
    this.#wine = wine;
    this.drive = join(prefix, "drive_c");
    // No display, no sound, and no window that asks for Mono or Gecko.
    this.#env = {
      WINEPREFIX: prefix,
      WINEDEBUG: "-all",
      WINEDLLOVERRIDES: "mscoree,mshtml=",
      DISPLAY: "",
    };
  }

  /** Why there can be none here; undefined: there can. */
  static missing(): string | undefined {
    if (!wineProgram()) return "wine64 is not installed";
    return Bun.which("x86_64-w64-mingw32-gcc")
      ? undefined
      : "gcc-mingw-w64-x86-64 is not installed";
  }

  /** Makes the Windows below `prefix`, unless it is there. */
  static async open(prefix: string): Promise<Wine> {
    const wine = new Wine(wineProgram() ?? "", prefix);
    await mkdir(join(prefix, ".."), { recursive: true });
    if (!existsSync(join(prefix, "system.reg"))) {
      await wine.must("wineboot", "-i");
      const key = [
        "HKCU\\Software\\Wine",
        "/v",
        "Version",
        "/d",
        "win10",
        "/f",
      ];
      await wine.must("reg", "add", ...key);
    }
    const stub = join(prefix, "bcryptprimitives.dll");
    runTool([
      ...["x86_64-w64-mingw32-gcc", "-shared", "-s", "-o", stub],
      ...["windows/wine_bcryptprimitives.c", "-ladvapi32"],
    ]);
    const system = join(wine.drive, "windows/system32");
    await copyFile(stub, join(system, "bcryptprimitives.dll"));
    const ping = ["ping", "-n", String(KEEP_SECONDS), "127.0.0.1"];
    wine.#keeper = wine.start("cmd", "/c", ...ping);
    return wine;
  }

  /** Runs a Windows program to its end. */
  async run(
    ...argv: string[]
  ): Promise<{ status: number; stdout: string; stderr: string }> {
    return await runChild([this.#wine, ...argv], { env: this.#env });
  }

  /** The same, of a program that must succeed. Returns what it printed. */
  async must(...argv: string[]): Promise<string> {
    const { status, stderr, stdout } = await this.run(...argv);
    if (status === 0) return stdout;
    throw new Error(`${argv.join(" ")}: exit ${status}\n${stdout}${stderr}`);
  }

  start(...argv: string[]): Child {
    return startChild([this.#wine, ...argv], { env: this.#env });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.run("wineboot", "-k");
    await this.#keeper?.[Symbol.asyncDispose]();
  }
}

function wineProgram(): string | undefined {
  return WINE_PLACES.find((path) => existsSync(path)) ??
    Bun.which("wine64") ?? undefined;
}
