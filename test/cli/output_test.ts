import { expect, test } from "bun:test";
import { testUnless } from "../support/test_unless.ts";

const OUTPUT = new URL("../../src/cli/output.ts", import.meta.url).pathname;

/** Says two lines as a service does, then ends with 7. */
const PROGRAM = `
const { serviceOutput } = await import(${JSON.stringify(OUTPUT)});
const output = serviceOutput();
output.say("first");
output.say("second");
setTimeout(() => process.exit(7), 1);
`;

function start(stderr: "pipe" | Bun.BunFile) {
  return Bun.spawn([process.execPath, "-e", PROGRAM], {
    stdio: ["ignore", "ignore", stderr],
    env: { ...process.env, BUN_BE_BUN: "1" },
  });
}

test("serviceOutput() says lines to standard error, one after the other", async () => {
  const child = start("pipe");
  const said = await new Response(child.stderr as ReadableStream).text();
  expect([said, await child.exited]).toEqual(["first\nsecond\n", 7]);
});

testUnless(process.platform === "linux" ? undefined : "there is no /dev/full")(
  "serviceOutput() ends nobody who cannot be heard",
  async () => {
    expect(await start(Bun.file("/dev/full")).exited).toBe(7);
  },
);
