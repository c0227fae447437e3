import { afterAll, beforeAll, describe, expect } from "bun:test";
import { sshThrough } from "../peers/ssh_through.ts";
import { SwapService, whole } from "../peers/swap.ts";
import { pythonPeersMissing } from "../support/python_peer.ts";
import { type Sshd, sshdMissing, startSshd } from "../support/sshd.ts";
import { eventually } from "../support/eventually.ts";
import {
  dialTest,
  echoOnce,
  serveTcp,
  type TestServer,
} from "../support/tcp_peer.ts";
import { testUnless } from "../support/test_unless.ts";
import { PAIRINGS, PairingSite } from "./v1_pairing_site.ts";

const missing = pythonPeersMissing ?? sshdMissing();
const test = testUnless(missing);

/** The whole is 64: V1_PAIRINGS_MIB=64 bun test test/e2e/v1_pairings_test.ts */
const SWAP_MIB = Number(process.env["V1_PAIRINGS_MIB"] ?? "8");
/** More than what all buffers on the way take. */
const MUCH_BYTES = 48 * 1024 * 1024;
/** Others may wait a little while one is full, but never for its reader. */
const SLOW_MAX_MS = 20_000;

const SCRIPT = 'echo "said $*"; seq 3000; exit 42';
const SAID = `said sync now\n${
  Array.from({ length: 3_000 }, (_, index) => `${index + 1}\n`).join("")
}`;

let sshd: Sshd;
let swap: SwapService;
let echoing: TestServer;
let sending: TestServer;

beforeAll(async () => {
  if (missing !== undefined) return;
  sshd = await startSshd();
  swap = await SwapService.start(SWAP_MIB * 1024 * 1024);
  echoing = await serveTcp((socket) => void socket.pipe(socket));
  const much = new Uint8Array(MUCH_BYTES);
  sending = await serveTcp((socket) => void socket.write(much));
}, 30_000);

afterAll(async () => {
  for (const one of [sshd, swap, echoing, sending]) {
    await one?.[Symbol.asyncDispose]();
  }
});

for (const pairing of PAIRINGS) {
  const name = Object.entries(pairing)
    .map(([role, whose]) => `${whose} ${role}`).join(", ");
  describe(name, () => {
    let made: PairingSite;

    beforeAll(async () => {
      if (missing !== undefined) return;
      made = await PairingSite.start(pairing, {
        ssh: sshd.port,
        vnc: swap.port,
        echoing: echoing.port,
        sending: sending.port,
      }, SCRIPT);
    }, 60_000);

    afterAll(async () => await made?.[Symbol.asyncDispose](), 30_000);

    test(`${SWAP_MIB} MiB of random bytes arrive whole, each way`, async () => {
      const port = await made.listen("vnc");
      const swapped = await swap.swap(port);
      expect(swapped).toEqual(whole(swapped));
    }, 300_000);

    test("ssh logs in, and its status comes back", async () => {
      const port = await made.listen("ssh");
      const { status, stdout, stderr } = await sshThrough(
        port,
        sshd,
        "echo far away; exit 42",
      );
      expect([status, stdout, status === 42 ? "" : stderr])
        .toEqual([42, "far away\n", ""]);
    }, 60_000);

    test("a command's output and status come back", async () => {
      const { status, stdout } = await made.exec("sync", "now");
      expect([status, stdout === SAID, stdout.length])
        .toEqual([42, true, SAID.length]);
    }, 60_000);

    test(
      "a tunnel that nobody reads, and another one of the device",
      async () => {
        const good = await made.listen("echoing");
        using client = await dialTest(good);
        await echoOnce(client.socket, 1000);
        const bad = await made.listen("sending");
        using stuck = await dialTest(bad);
        stuck.socket.once("data", () => void stuck.socket.pause());
        await eventually("it flows", () => stuck.socket.bytesRead > 0);
        // Upstream's relay with upstream's operator is why this product exists.
        if (made.blocks) return;
        for (let round = 0; round < 2; round++) {
          expect(await echoOnce(client.socket, 1000)).toBeLessThan(SLOW_MAX_MS);
        }
      },
      60_000,
    );
  });
}
