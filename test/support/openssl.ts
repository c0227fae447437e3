import { missingProgram, testUnless } from "./test_unless.ts";

/** A test that asks the `openssl` program. */
export const testOpenssl = testUnless(missingProgram("openssl"));

/** How one run of `openssl` ended. */
export interface OpensslAnswer {
  readonly exitCode: number;
  /** Both streams. */
  readonly text: string;
}

/** Runs `openssl` in `dir`; at most ten seconds. */
export function openssl(dir: string, ...args: string[]): OpensslAnswer {
  const { exitCode, stdout, stderr } = Bun.spawnSync(["openssl", ...args], {
    cwd: dir,
    env: { ...process.env, LC_ALL: "C" },
    timeout: 10_000,
  });
  return { exitCode, text: `${stdout}${stderr}` };
}

/** Runs `openssl` and returns what it printed; a failure fails the test. */
export function opensslText(dir: string, ...args: string[]): string {
  const { exitCode, text } = openssl(dir, ...args);
  if (exitCode === 0) return text;
  throw new Error(`openssl ${args.join(" ")} ended with ${exitCode}: ${text}`);
}
