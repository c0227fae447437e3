import { expect, test } from "bun:test";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

const ROOT = join(import.meta.dir, "../..");
const BINARY = join(ROOT, "dist/migasfree-agent");

/** Code that must never run, and configuration that asks for it to be run. */
const HOSTILE_FILES: Readonly<Record<string, string>> = {
  ".env": "NODE_OPTIONS=--require ./loot.ts\nNODE_TLS_REJECT_UNAUTHORIZED=0\n",
  "bunfig.toml": 'preload = ["./loot.ts"]\n',
  "loot.ts": 'process.stdout.write("LOOTED\\n");\n',
  "package.json": '{ "name": "loot", "imports": { "#x": "./loot.ts" } }\n',
  "tsconfig.json": '{ "compilerOptions": { "paths": { "*": ["./*"] } } }\n',
};

interface Answer {
  readonly exitCode: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs `migasfree-agent version --json` where somebody else may write. */
async function versionIn(
  variables: Readonly<Record<string, string>>,
): Promise<Answer> {
  const cwd = await mkdtemp(join(tmpdir(), "migasfree-hostile-"));
  try {
    for (const [name, text] of Object.entries(HOSTILE_FILES)) {
      await Bun.write(join(cwd, name), text);
    }
    const env = { PATH: "/usr/bin:/bin", HOME: cwd, ...variables };
    const command = [BINARY, "version", "--json"];
    const ended = Bun.spawnSync(command, { cwd, env, timeout: 10_000 });
    return {
      exitCode: ended.exitCode,
      stdout: ended.stdout.toString(),
      stderr: ended.stderr.toString(),
    };
  } finally {
    await rm(cwd, { recursive: true });
  }
}

test("the binary knows its version and commit", async () => {
  const { exitCode, stdout, stderr } = await versionIn({});
  const { version } = await Bun.file(join(ROOT, "package.json")).json();
  expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: "" });
  const said = JSON.parse(stdout);
  expect(said).toEqual({ version, commit: said.commit });
  expect(said.commit).toMatch(/^(?:unknown|[0-9a-f]{12}(?:-dirty)?)$/);
});

test("the binary reads nothing of the directory it is started in", async () => {
  const { stdout } = await versionIn({});
  expect(stdout).not.toContain("LOOTED");
});

for (
  const options of [
    "--preload ./loot.ts",
    "--require ./loot.ts",
    "--import ./loot.ts",
    "--config=bunfig.toml",
  ]
) {
  test(`the binary runs no code that BUN_OPTIONS=${options} names`, async () => {
    const { stdout } = await versionIn({ BUN_OPTIONS: options });
    expect(stdout).not.toContain("LOOTED");
  });
}

test("the binary ignores NODE_OPTIONS", async () => {
  const variables = { NODE_OPTIONS: "--require ./loot.ts" };
  expect(await versionIn(variables)).toEqual(await versionIn({}));
});

test("the binary lets nobody attach a debugger by BUN_INSPECT", async () => {
  const answer = await versionIn({ BUN_INSPECT: "ws://127.0.0.1:0/debug" });
  expect(answer.exitCode).not.toBe(0);
  expect(answer.stdout).toBe("");
});
