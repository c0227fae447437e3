import { expect } from "bun:test";
import {
  type PeerEvent,
  type PythonPeer,
  pythonPeersMissing,
} from "../support/python_peer.ts";
import { dialTest, echoOnce, serveTcp } from "../support/tcp_peer.ts";
import { testUnless } from "../support/test_unless.ts";
import { V1AgentSite } from "./v1_agent_site.ts";

const test = testUnless(pythonPeersMissing);

/** All that a command said on one of its streams. */
function said(operator: PythonPeer, stream: string): string {
  return operator.events("output", { stream }).map(({ data }) => data).join("");
}

/** Runs a command as the web console does, to its end. */
async function exec(
  made: V1AgentSite,
  command: string,
): Promise<
  { status: number; operator: PythonPeer; last: PeerEvent | undefined }
> {
  const operator = await made.trio.console(7, "-e", command);
  const status = await operator.exited;
  const ends = [...operator.events("exit"), ...operator.events("exec_failed")];
  expect(ends).toHaveLength(1);
  return { status, operator, last: ends[0] };
}

test(
  "item 21: words are split as a shell splits them, and no shell runs",
  async () => {
    await using made = await V1AgentSite.start();
    const program = await made.execAgent(
      'for word; do printf "<%s>" "$word"; done',
    );
    const cases: [said: string, words: string][] = [
      ["a b", "<a><b>"],
      ["  \t'a b'  \"c d\" ", "<a b><c d>"],
      ["a\\ b ''", "<a b><>"],
      ["x; id", "<x;><id>"],
      ["$HOME `id` | cat > /x && y", "<$HOME><`id`><|><cat><>></x><&&><y>"],
      ['"a\\"b" \'c\\d\' #e', '<a"b><c\\d><#e>'],
      ["ñ€", "<ñ€>"],
    ];
    for (const [text, words] of cases) {
      const { status, operator } = await exec(made, `${program} ${text}`);
      expect([text, status, said(operator, "stdout")])
        .toEqual([text, 0, words]);
    }
  },
  60_000,
);

test(
  "item 21: what is not allowed is refused in upstream's words",
  async () => {
    await using made = await V1AgentSite.start();
    await made.agent({ exec: 'allow = [["migasfree", "*"]]' });
    const cases: [command: string, error: string | RegExp][] = [
      ["id", 'Command "id" not allowed. Allowed: migasfree'],
      [
        "/tmp/migasfree sync",
        'Command "/tmp/migasfree" not allowed. Allowed: migasfree',
      ],
      ["", "Empty command"],
      ["   ", "Empty command"],
      ["migasfree 'open", /^Invalid command syntax: ./],
    ];
    for (const [command, error] of cases) {
      const { status, operator, last } = await exec(made, command);
      expect([command, status, operator.events("output")])
        .toEqual([command, 1, []]);
      if (typeof error === "string") expect(last?.["error"]).toBe(error);
      else expect(last?.["error"]).toMatch(error);
    }
  },
  60_000,
);

test(
  "item 22: output comes as it is written, in whole characters",
  async () => {
    await using made = await V1AgentSite.start("--trace");
    // The first two bytes of three, a while before the last one; no newline.
    const program = await made.execAgent(
      "printf 'no newline'; read -r _ < /dev/null; sleep 0.3; " +
        "printf '\\342\\202'; sleep 0.3; printf '\\254'; printf aside >&2; " +
        "sleep 0.3; printf '\\377'; exit 5",
    );
    const { status, operator, last } = await exec(made, program);
    expect(status).toBe(5);
    expect(said(operator, "stdout")).toBe("no newline€\uFFFD");
    expect(said(operator, "stderr")).toBe("aside");
    expect(operator.events("output")[0]).toMatchObject({ data: "no newline" });
    expect(last).toMatchObject({ event: "exit", code: 5 });
    const ends = made.relay.events("message", { type: "exec_complete" });
    expect(ends).toMatchObject([{ message: { "exit_code": 5 } }]);
  },
  30_000,
);

test(
  "item 23: a line of 200 kB, 10 MB of output and progress bars complete",
  async () => {
    await using made = await V1AgentSite.start();
    const program = await made.execAgent(
      `case $1 in
line) head -c 200000 /dev/zero | tr '\\0' x; echo ;;
much) yes 0123456789abcde | head -c 10000000 ;;
bar) for i in 1 2 3 4 5; do printf "\\r$i"; sleep 0.1; done ;;
esac`,
    );
    const line = await exec(made, `${program} line`);
    expect(said(line.operator, "stdout")).toBe("x".repeat(200_000) + "\n");
    const much = await exec(made, `${program} much`);
    expect(said(much.operator, "stdout").length).toBe(10_000_000);
    const bar = await exec(made, `${program} bar`);
    expect(said(bar.operator, "stdout")).toBe("\r1\r2\r3\r4\r5");
    expect(bar.operator.events("output").length).toBeGreaterThan(2);
    expect([line.status, much.status, bar.status]).toEqual([0, 0, 0]);
  },
  60_000,
);

test(
  "item 24: commands and tunnels at once; each has its own status",
  async () => {
    await using echoing = await serveTcp((socket) => void socket.pipe(socket));
    await using made = await V1AgentSite.start();
    const program = await made.execAgent(
      'echo "begin $1"; sleep "$2"; exit "$1"',
      {
        services: { ssh: echoing.port },
      },
    );
    const tunnel = await made.trio.connect(7);
    using client = await dialTest(tunnel.port);
    const long = await made.trio.console(7, "-e", `${program} 9 4`);
    await long.event("output");
    const short = await exec(made, `${program} 3 0`);
    expect(short.status).toBe(3);
    await echoOnce(client.socket, 1_000_000);
    expect(long.events("exit")).toEqual([]);
    expect(await long.exited).toBe(9);
  },
  60_000,
);

test("a program that cannot be found is an error in words", async () => {
  await using made = await V1AgentSite.start();
  await made.agent({
    exec: 'allow = [["no-such-program", "*"]]',
  });
  const { status, last } = await exec(made, "no-such-program");
  expect(status).toBe(1);
  expect(last?.["error"]).toMatch(/no-such-program/);
}, 30_000);
