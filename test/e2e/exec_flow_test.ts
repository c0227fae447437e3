import { expect } from "bun:test";
import { createHash } from "node:crypto";
import { closeSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { openPipes } from "../../src/runtime/open_pipes.ts";
import { startChild } from "../support/child.ts";
import { eventually } from "../support/eventually.ts";
import { pass } from "../support/pass.ts";
import { processesOf } from "../support/process_group.ts";
import { residentBytes } from "../support/process_memory.ts";
import { BINARY, type Identity, Site } from "../support/site.ts";
import { standstill } from "../support/standstill.ts";
import { notLinux, testUnless } from "../support/test_unless.ts";

// Who is in a process group is looked up as Linux tells it.
const test = testUnless(notLinux());

const EXEC = '[exec]\nallow = [["sh", "-c", "*"]]';
const MUCH_BYTES = 200_000_000;
/** What windows, buffers and an untidy heap may take besides. */
const GROWTH_MAX_BYTES = 32 * 1024 * 1024;

/** The digest of what `yes` says in so many bytes. */
function yesDigest(size: number): string {
  const hash = createHash("sha256");
  const block = Buffer.alloc(1_000_000, "y\n");
  for (let left = size; left > 0; left -= block.length) {
    hash.update(block.subarray(0, left));
  }
  return hash.digest("hex");
}

function argvOf(site: Site, url: string, operator: Identity, script: string) {
  const flags = site.operatorFlags(url, operator);
  return [BINARY, "exec", "7", ...flags, "--", "sh", "-c", script];
}

test(
  "a reader that does not read stops the command, and nobody's memory grows",
  async () => {
    await using site = await Site.create();
    const gateway = await site.gateway();
    const operator = await site.identity("operator", "maria");
    const { url } = gateway;
    const { child: agent } = await site.agent({
      id: 7,
      url,
      services: {},
      top: EXEC,
    });
    const standing = [agent.pid, gateway.child.pid];
    const idle = await Promise.all(standing.map(residentBytes));
    const script = `echo $$ >&2; yes | head -c ${MUCH_BYTES}`;
    await using unread = await Unread.start(
      argvOf(site, url, operator, script),
      site,
    );
    const { child, group } = unread;
    const sizes = () =>
      Promise.all([...standing, child.pid].map(residentBytes));
    await standstill(async () => await wroteBytes(group), 300);
    const full = await sizes();
    const wrote = await wroteBytes(group);
    await pass(3_000);
    expect(await wroteBytes(group)).toBe(wrote);
    expect([wrote > 0, wrote < MUCH_BYTES / 4]).toEqual([true, true]);
    const later = await sizes();
    const grown = [
      ...later.map((size, i) => size - (full[i] ?? 0)),
      ...full.map((size, i) => size - (idle[i] ?? size)),
    ];
    expect(grown.filter((size) => size > GROWTH_MAX_BYTES)).toEqual([]);
    const hash = createHash("sha256");
    let readBytes = 0;
    for await (const chunk of unread.output()) {
      hash.update(chunk);
      readBytes += chunk.length;
    }
    expect([readBytes, hash.digest("hex"), await child.exited])
      .toEqual([MUCH_BYTES, yesDigest(MUCH_BYTES), 0]);
  },
  60_000,
);

test(
  "a command outlives its gateway, and none of its output is lost",
  async () => {
    await using site = await Site.create();
    const first = await site.gateway();
    const operator = await site.identity("operator", "maria");
    const { url, port } = first;
    await site.agent({ id: 7, url, services: {}, top: EXEC });
    const go = `${site.dir}/go`;
    const script = `echo one; while [ ! -e ${go} ]; do echo tick; sleep 0.1; ` +
      "done; echo two; exit 5";
    await using child = startChild(argvOf(site, url, operator, script), {
      env: { HOME: site.dir },
    });
    await child.line(/^tick$/);
    first.child.kill("SIGKILL");
    await first.child.exited;
    await child.line(/coming back$/);
    await site.gateway({ port });
    await child.line(/is back after/);
    await writeFile(go, "");
    expect(await child.exited).toBe(5);
    expect(child.output().stdout).toMatch(/^one\n(?:tick\n)+two\n$/);
  },
  60_000,
);

test("a command that waits for its reader is ended with it", async () => {
  await using site = await Site.create();
  const { url } = await site.gateway({ tables: "[limits]\ndetach_ms = 500" });
  const operator = await site.identity("operator", "maria");
  await site.agent({ id: 7, url, services: {}, top: EXEC });
  await using unread = await Unread.start(
    argvOf(site, url, operator, "echo $$ >&2; exec yes"),
    site,
  );
  const { child, group } = unread;
  expect(processesOf(group)).toEqual([group]);
  await standstill(async () => await wroteBytes(group), 300);
  child.kill("SIGKILL");
  await eventually("it has gone", () => processesOf(group).length === 0);
}, 30_000);

test(
  "an agent that is stopped does not wait for who does not read",
  async () => {
    await using site = await Site.create();
    const { url } = await site.gateway();
    const operator = await site.identity("operator", "maria");
    const { child: agent } = await site.agent({
      id: 7,
      url,
      services: {},
      top: EXEC,
    });
    await using unread = await Unread.start(
      argvOf(site, url, operator, "echo $$ >&2; exec yes"),
      site,
    );
    const { group } = unread;
    await standstill(async () => await wroteBytes(group), 300);
    const startMs = performance.now();
    agent.kill("SIGTERM");
    await agent.exited;
    expect(performance.now() - startMs).toBeLessThan(4_000);
    expect(processesOf(group)).toEqual([]);
  },
  30_000,
);

/**
 * A command whose output waits in a pipe of the kernel's until a test asks for
 * it: what Bun gives a child as a "pipe" it may read by itself.
 */
class Unread implements AsyncDisposable {
  readonly child: Bun.Subprocess;
  /** The command's process group, which it has said on standard error. */
  readonly group: number;
  readonly #readFd: number;

  private constructor(child: Bun.Subprocess, group: number, readFd: number) {
    this.child = child;
    this.group = group;
    this.#readFd = readFd;
  }

  static async start(argv: string[], site: Site): Promise<Unread> {
    const [pipe] = openPipes(1, "/usr/bin:/bin") ?? [];
    if (!pipe) throw new Error("There is no pipe");
    const child = Bun.spawn(argv, {
      env: { ...process.env, HOME: site.dir },
      stdio: ["ignore", pipe.writeFd, "pipe"],
    });
    closeSync(pipe.writeFd);
    const { value } = await child.stderr.getReader().read();
    const group = Number(new TextDecoder().decode(value));
    return new Unread(child, group, pipe.readFd);
  }

  output(): ReadableStream<Uint8Array> {
    return Bun.file(this.#readFd).stream();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.child.kill("SIGKILL");
    await this.child.exited;
    closeSync(this.#readFd);
  }
}

/** What the processes of a group have written so far (proc(5), io). */
async function wroteBytes(group: number): Promise<number> {
  let bytes = 0;
  for (const pid of processesOf(group)) {
    const io = await Bun.file(`/proc/${pid}/io`).text();
    bytes += Number(/^wchar: (\d+)$/m.exec(io)?.[1]);
  }
  return bytes;
}
