import { expect } from "bun:test";
import { join } from "node:path";
import { openServiceManager } from "../../src/runtime/service_manager.ts";
import { listenForDatagrams } from "../support/datagrams.ts";
import { makeTemporaryDir } from "../support/temporary_dir.ts";
import { notLinux, testUnless } from "../support/test_unless.ts";

const testHere = testUnless(notLinux());

for (const kind of ["a path", "an abstract name"]) {
  testHere(`openServiceManager() tells a manager at ${kind}`, async () => {
    await using dir = await makeTemporaryDir();
    const path = kind === "a path"
      ? join(dir.path, "notify")
      : `@migasfree-test-${process.pid}`;
    using heard = listenForDatagrams(path);
    const manager = openServiceManager({ NOTIFY_SOCKET: path });
    manager.ready("Online");
    manager.status("Online");
    manager.status("Dialing");
    manager.reloading();
    manager.feed();
    manager.stopping();
    expect(heard.take()).toEqual([
      "READY=1\nSTATUS=Online",
      "STATUS=Dialing",
      "RELOADING=1",
      "WATCHDOG=1",
      "STOPPING=1\nSTATUS=Stopping",
    ]);
  });
}

testHere(
  "openServiceManager() makes one harmless line of a status",
  async () => {
    await using dir = await makeTemporaryDir();
    const path = join(dir.path, "notify");
    using heard = listenForDatagrams(path);
    const manager = openServiceManager({ NOTIFY_SOCKET: path });
    manager.status("gateway says\nREADY=1");
    manager.status("x".repeat(1_000));
    expect(heard.take()).toEqual([
      "STATUS=gateway says?READY=1",
      `STATUS=${"x".repeat(199)}…`,
    ]);
  },
);

testHere(
  "openServiceManager() takes its variables away from what is started",
  () => {
    const env = {
      NOTIFY_SOCKET: "/nowhere",
      WATCHDOG_PID: "1",
      WATCHDOG_USEC: "1",
      HOME: "/root",
    };
    openServiceManager(env);
    expect(env as Record<string, string>).toEqual({ HOME: "/root" });
  },
);

testHere(
  "openServiceManager() feeds thrice in the watchdog's time, if it is ours",
  () => {
    const feedEveryMs = (env: Record<string, string>) =>
      openServiceManager({ NOTIFY_SOCKET: "/nowhere", ...env }, 7).feedEveryMs;
    expect([
      feedEveryMs({ WATCHDOG_USEC: "9000000" }),
      feedEveryMs({ WATCHDOG_USEC: "9000000", WATCHDOG_PID: "7" }),
      feedEveryMs({ WATCHDOG_USEC: "9000000", WATCHDOG_PID: "8" }),
      feedEveryMs({ WATCHDOG_USEC: "0" }),
      feedEveryMs({ WATCHDOG_USEC: "soon" }),
      feedEveryMs({}),
    ]).toEqual([3_000, 3_000, undefined, undefined, undefined, undefined]);
  },
);

testHere(
  "openServiceManager() is nobody without a socket, or with what is none",
  () => {
    for (const path of [undefined, "", "@", "notify", `/${"x".repeat(200)}`]) {
      const manager = openServiceManager({
        NOTIFY_SOCKET: path,
        WATCHDOG_USEC: "9000000",
      });
      manager.ready("x");
      manager.feed();
      expect([path, manager.feedEveryMs]).toEqual([path, undefined]);
    }
  },
);

testHere("a manager that does not listen costs nothing", () => {
  const manager = openServiceManager({ NOTIFY_SOCKET: "/nowhere/notify" });
  manager.ready("x");
  manager.status("y");
  manager.feed();
  manager.stopping();
});
