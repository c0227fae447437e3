import { expect, test } from "bun:test";
import { chmod, cp, mkdir, mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** What the script needs of the system, in a PATH without node and npm. */
const SYSTEM_PROGRAMS = ["sh", "cat", "cksum", "dirname", "mkdir", "sed"];

/** Installs a bun that says its version, as `npm ci` would, and counts. */
const NPM = `#!/bin/sh
echo "$@" >>"$CLONE/npm.log"
[ ! -e "$CLONE/offline" ] || exit 1
rm -rf node_modules
mkdir -p node_modules/.bin node_modules/bun node_modules/deno
printf '#!/bin/sh\\necho %s\\n' "$(cat "$CLONE/bun-version")" \\
  >node_modules/.bin/bun
chmod +x node_modules/.bin/bun
`;

interface Answer {
  readonly exitCode: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** A clone with nothing in it but what scripts/bootstrap looks at. */
class Clone {
  readonly #path: string;

  constructor(path: string) {
    this.#path = path;
  }

  static async make(): Promise<Clone> {
    const clone = new Clone(await mkdtemp(join(tmpdir(), "migasfree-boot-")));
    const script = join(import.meta.dir, "../../scripts/bootstrap");
    await mkdir(clone.at("scripts"));
    await cp(script, clone.at("scripts/bootstrap"));
    await clone.write("package.json", '{\n  "bun": "1.2.3",\n  "x": "9"\n}\n');
    await clone.write("package-lock.json", "{}\n");
    await clone.write("bun-version", "1.2.3");
    await clone.program("npm", NPM);
    await clone.program("node", "#!/bin/sh\n");
    await mkdir(clone.at("system"));
    for (const name of SYSTEM_PROGRAMS) {
      const path = Bun.which(name) ?? "";
      await clone.write(`system/${name}`, `#!/bin/sh\nexec ${path} "$@"\n`);
      await chmod(clone.at(`system/${name}`), 0o755);
    }
    return clone;
  }

  at(name: string): string {
    return join(this.#path, name);
  }

  async write(name: string, text: string): Promise<void> {
    await Bun.write(this.at(name), text);
  }

  async program(name: string, text: string): Promise<void> {
    await this.write(`bin/${name}`, text);
    await chmod(this.at(`bin/${name}`), 0o755);
  }

  run(script: string, variables: Record<string, string> = {}): Answer {
    const env = {
      CLONE: this.#path,
      HOME: this.#path,
      PATH: `${this.at("bin")}:/usr/bin:/bin`,
      ...variables,
    };
    const command = ["/bin/sh", "-c", script];
    const ended = Bun.spawnSync(command, { cwd: this.#path, env });
    return {
      exitCode: ended.exitCode,
      stdout: ended.stdout.toString(),
      stderr: ended.stderr.toString(),
    };
  }

  /** How often npm was called. */
  async installs(): Promise<number> {
    const log = Bun.file(this.at("npm.log"));
    return await log.exists()
      ? (await log.text()).trim().split("\n").length
      : 0;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await rm(this.#path, { recursive: true, force: true });
  }
}

const SILENCE: Answer = { exitCode: 0, stdout: "", stderr: "" };

test("bootstrap installs once, and again when the lock has changed", async () => {
  await using clone = await Clone.make();
  const run = () => clone.run("./scripts/bootstrap", { CI: "true" });
  expect(run()).toEqual(SILENCE);
  expect(run()).toEqual(SILENCE);
  expect(await clone.installs()).toBe(1);
  await clone.write("package-lock.json", '{ "more": 1 }\n');
  expect(run()).toEqual(SILENCE);
  expect(await clone.installs()).toBe(2);
  expect(await readFile(clone.at("npm.log"), "utf8")).toStartWith(
    "ci --ignore-scripts ",
  );
});

test("bootstrap tries again after npm has failed", async () => {
  await using clone = await Clone.make();
  await clone.write("offline", "");
  const answer = clone.run("./scripts/bootstrap", { CI: "true" });
  expect(answer).toEqual({
    exitCode: 1,
    stdout: "",
    stderr: "bootstrap: Cannot install dependencies: npm ci failed. Check " +
      "that the npm registry can be reached (npm ping), then run " +
      "scripts/bootstrap again\n",
  });
  await rm(clone.at("offline"));
  expect(clone.run("./scripts/bootstrap", { CI: "true" })).toEqual(SILENCE);
});

for (const missing of ["node", "npm"]) {
  test(`bootstrap says what to install when ${missing} is missing`, async () => {
    await using clone = await Clone.make();
    await rm(clone.at(`bin/${missing}`));
    const PATH = `${clone.at("bin")}:${clone.at("system")}`;
    expect(clone.run("./scripts/bootstrap", { PATH })).toEqual({
      exitCode: 1,
      stdout: "",
      stderr: `bootstrap: Cannot install dependencies: ${missing} is not in ` +
        "PATH. Install Node.js 18 or later with npm (Debian: apt-get install " +
        "nodejs npm)\n",
    });
    expect(await clone.installs()).toBe(0);
  });
}

test("bootstrap refuses a Bun that is not the pinned one", async () => {
  await using clone = await Clone.make();
  await clone.write("bun-version", "1.2.4");
  const { exitCode, stderr } = clone.run("./scripts/bootstrap", { CI: "true" });
  expect({ exitCode, stderr }).toEqual({
    exitCode: 1,
    stderr: "bootstrap: Cannot use Bun: version is 1.2.4, package.json pins " +
      "1.2.3. Remove node_modules and run scripts/bootstrap again\n",
  });
});

test("bootstrap puts the tools first in the PATH of who sources it", async () => {
  await using clone = await Clone.make();
  const script = ". ./scripts/bootstrap; command -v bun; echo still here";
  expect(clone.run(script, { CI: "true" })).toEqual({
    ...SILENCE,
    stdout: `${clone.at("node_modules/.bin/bun")}\nstill here\n`,
  });
});

test("bootstrap ends a script that sources it and has no tools", async () => {
  await using clone = await Clone.make();
  await clone.write("offline", "");
  await clone.write(
    "scripts/some",
    "set -eu\n. ./scripts/bootstrap\necho not here\n",
  );
  const { exitCode, stdout } = clone.run("sh ./scripts/some");
  expect({ exitCode, stdout }).toEqual({ exitCode: 1, stdout: "" });
});

for (const home of ["", "/nowhere"]) {
  test(`bootstrap gives a process with HOME=${home} a home`, async () => {
    await using clone = await Clone.make();
    const script = '. ./scripts/bootstrap; echo "$HOME"';
    expect(clone.run(script, { CI: "true", HOME: home })).toEqual({
      ...SILENCE,
      stdout: `${clone.at(".cache/home")}\n`,
    });
  });
}
