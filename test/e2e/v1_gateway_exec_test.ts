import { expect } from "bun:test";
import { eventually } from "../support/eventually.ts";
import { type PythonPeer, pythonPeersMissing } from "../support/python_peer.ts";
import { testUnless } from "../support/test_unless.ts";
import { V1GatewaySite } from "./v1_gateway_site.ts";

const test = testUnless(pythonPeersMissing);

function said(operator: PythonPeer, stream: string): string {
  return operator.events("output", { stream }).map(({ data }) => data).join("");
}

test(
  "exec of upstream's operators at upstream's agent goes through",
  async () => {
    await using made = await V1GatewaySite.start();
    await made.execAgent(
      7,
      'for word; do printf "<%s>" "$word"; done; echo; echo aside >&2; exit 3',
    );
    const command = `migasfree 'a b' "c" ñ€ $HOME`;
    for (
      const operator of [
        await made.connect(7, "-e", command),
        await made.console(7, "-e", command),
      ]
    ) {
      expect(await operator.exited).toBe(3);
      expect(said(operator, "stdout")).toBe("<a b><c><ñ€><$HOME>\n");
      expect(said(operator, "stderr")).toBe("aside\n");
    }
  },
  30_000,
);

test(
  "item 50: the loss of the agent ends the commands of its operators",
  async () => {
    await using made = await V1GatewaySite.start();
    const agent = await made.execAgent(7, "echo begun; exec sleep 30");
    const operator = await made.console(7, "-e", "migasfree sync");
    await operator.event("output");
    agent.kill("SIGKILL");
    expect(await operator.exited).toBe(1);
    const { error } = await operator.event("exec_failed");
    // Not what the peer says of itself when its link has ended.
    expect(error).not.toBe("The link has ended");
  },
  30_000,
);

test(
  "item 50: the loss of an operator frees what its command took",
  async () => {
    await using made = await V1GatewaySite.start(
      "[limits]\ntunnels_per_operator_max = 2",
    );
    await made.execAgent(7, 'echo begun; exec sleep "$1"');
    for (let round = 0; round < 5; round++) {
      const operator = await made.console(7, "-e", "migasfree 30");
      await operator.event("output");
      operator.kill("SIGKILL");
      await operator.exited;
    }
  },
  60_000,
);

test("commands that an agent refuses are refused in its words", async () => {
  await using made = await V1GatewaySite.start();
  await made.execAgent(7, "true");
  for (
    const [command, error] of [
      ["id", 'Command "id" not allowed. Allowed: migasfree'],
      ["", "Empty command"],
      ["migasfree 'open", "Invalid command syntax: No closing quotation"],
    ] as const
  ) {
    const operator = await made.console(7, "-e", command);
    expect(await operator.exited).toBe(1);
    expect(operator.events("exec_failed").map((event) => event["error"]))
      .toEqual([expect.stringContaining(error)]);
  }
}, 30_000);

test(
  "a command that its operator has left does not stop the agent",
  async () => {
    await using made = await V1GatewaySite.start();
    const agent = await made.execAgent(7, "yes no newline | head -c 100000");
    const operator = await made.console(7, "-e", "migasfree sync");
    await operator.event("output");
    operator.kill("SIGKILL");
    await agent.event("exec_done");
    const after = await made.console(7, "-e", "migasfree sync");
    await eventually("all of it", () => after.events("exit").length === 1);
    expect(said(after, "stdout").length).toBe(100_000);
  },
  60_000,
);
