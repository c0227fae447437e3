import { expect } from "bun:test";
import { fakeCommand } from "../peers/python_trio.ts";
import { type PythonPeer, pythonPeersMissing } from "../support/python_peer.ts";
import { BINARY } from "../support/site.ts";
import { testUnless } from "../support/test_unless.ts";
import { V1OperatorSite } from "./v1_operator_site.ts";

const test = testUnless(pythonPeersMissing);

/** Starts an old agent whose migasfree runs `script`. */
async function execAgent(
  made: V1OperatorSite,
  script: string,
): Promise<PythonPeer> {
  const { env } = made.site.own(await fakeCommand(script));
  const agent = await made.trio.agent(7, {}, [], env);
  await made.relay.event("registered", { id: 7 });
  return agent;
}

test(
  "items 56, 57, 63: exec shows both outputs and returns the remote status",
  async () => {
    await using made = await V1OperatorSite.start("--trace");
    await execAgent(
      made,
      'for word; do printf "<%s>" "$word"; done; echo; echo aside >&2; exit 42',
    );
    const words = ["a b", "it's", "", "$HOME", "ñ€", '"', "\\"];
    const { status, stdout, stderr } = await made.run(["exec", "7"], [
      ...["--", "migasfree", ...words],
    ]);
    expect({ status, stdout }).toEqual({
      status: 42,
      stdout: words.map((word) => `<${word}>`).join("") + "\n",
    });
    expect(stderr).toContain("aside\n");
    const asked = made.relay.events("message", { type: "execute_command" });
    expect(asked).toMatchObject([{ message: { id: 7, "client_cn": "maria" } }]);
    const hand = made.relay.events("handshake", { asked_subprotocols: null })
      .filter(({ subject }) => String(subject).includes("ADMINS"));
    expect(hand).toMatchObject([{ agent: "7" }]);
  },
  30_000,
);

test(
  "item 63: what the device refuses is said, and is no success",
  async () => {
    await using made = await V1OperatorSite.start();
    await execAgent(made, "true");
    const { status, stderr } = await made.run(["exec", "7"], ["--", "id"]);
    expect([status, stderr]).toEqual([
      77,
      expect.stringContaining('Command "id" not allowed. Allowed: migasfree'),
    ]);
  },
  30_000,
);

test("item 63: exec fails when the relay goes away", async () => {
  await using made = await V1OperatorSite.start();
  const agent = await execAgent(made, "echo begun; exec sleep 20");
  const flags = made.site.operatorFlags(made.trio.relayUrl, made.tls.operator);
  const child = made.site.start(
    [BINARY, "exec", "7", ...flags, "--", "migasfree", "sync"],
  );
  await child.line(/^begun$/);
  made.relay.kill("SIGKILL");
  expect(await child.exited).not.toBe(0);
  expect(child.output().stderr).toMatch(/migasfree-agent: ./);
  await agent.event("closed");
}, 30_000);

test("item 63: exec has a time limit of its own", async () => {
  await using made = await V1OperatorSite.start();
  await execAgent(made, "exec sleep 30");
  const startMs = performance.now();
  const { status, stderr } = await made.run(
    ["exec", "7", "--timeout", "1"],
    ["--", "migasfree", "sync"],
  );
  expect(performance.now() - startMs).toBeLessThan(10_000);
  expect(status).not.toBe(0);
  expect(stderr).toMatch(/more than 1 s/);
}, 30_000);

test("item 64: what the site's proxy refuses is explained", async () => {
  await using made = await V1OperatorSite.start();
  const computer = await made.run(["devices"], [], made.tls.agent);
  expect([computer.status, computer.stderr]).toEqual([
    77,
    expect.stringMatching(/OU=ADMINS/),
  ]);
  for (
    const [status, said] of [[429, /RATE_LIMIT/], [503, /NETWORK_MNG/]] as const
  ) {
    made.relay.order({
      ...{ do: "answer_agents", status, body: "<html>", count: 20 },
      headers: { "Content-Type": "text/html" },
    });
    const answer = await made.run(["exec", "8"], ["--", "migasfree", "sync"]);
    expect([status, answer.status === 0, answer.stderr])
      .toEqual([status, false, expect.stringMatching(said)]);
    made.relay.order({ do: "answer_as_usual" });
  }
}, 60_000);
