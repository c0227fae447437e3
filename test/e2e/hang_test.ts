import { expect } from "bun:test";
import { BINARY, Site } from "../support/site.ts";
import { missingProgram, testUnless } from "../support/test_unless.ts";

const WATCHDOG_SECONDS = 5;
const HELD_SECONDS = 12;
const TEST_TIMEOUT_MS = 60_000;

/**
 * Stops the main thread of a process, and no other one, as ptrace(2) can: a
 * frozen event loop. PTRACE_SEIZE and PTRACE_INTERRUPT of <sys/ptrace.h>.
 */
const FREEZE = `
import ctypes, sys, time
libc = ctypes.CDLL(None, use_errno=True)
libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]
for request in (0x4206, 0x4207):
    if libc.ptrace(request, int(sys.argv[1]), 0, 0) != 0:
        sys.exit(f"errno {ctypes.get_errno()}")
print("frozen", flush=True)
time.sleep(${HELD_SECONDS})
`;

testUnless(missingProgram("python3"))(
  "run --watchdog ends a frozen agent with 75",
  async () => {
    await using site = await Site.create();
    const { url } = await site.gateway();
    const identity = await site.identity("computer", "uuid-7_1");
    const config = await site.write(
      "agent.toml",
      `device_id = 7
gateway = "${url}"
ca_file = "${identity.ca_file}"
cert_file = "${identity.cert_file}"
key_file = "${identity.key_file}"
state_dir = "${site.dir}/agent"
`,
    );
    const watchdog = ["--watchdog", String(WATCHDOG_SECONDS)];
    const child = site.start([BINARY, "run", "--config", config, ...watchdog]);
    await child.line(/link\.open /);
    const freezer = site.start(["python3", "-c", FREEZE, String(child.pid)]);
    await freezer.line(/^frozen$/);
    expect(await child.exited).toBe(75);
    expect(child.output().stderr).toContain(
      "migasfree-agent: no progress, ended by its own watchdog\n",
    );
  },
  TEST_TIMEOUT_MS,
);
