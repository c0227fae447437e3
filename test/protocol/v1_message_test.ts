import { expect, test } from "bun:test";
import { parseV1Message } from "../../src/protocol/v1_message.ts";
import { V1_VECTORS } from "./v1_vectors.ts";

function parse(message: object): unknown {
  return parseV1Message(JSON.stringify(message));
}

test("parseV1Message() reads what each of upstream's programs says, and drops the rest", () => {
  expect(V1_VECTORS.map(parse)).toEqual([
    {
      type: "register_agent",
      id: 7,
      name: "aula-7 [CID-7]",
      services: ["ssh", "vnc"],
    },
    { type: "registration_ok" },
    { type: "error", message: "Connection limit reached (50000)" },
    { type: "connect_client" },
    { type: "connection_ok" },
    { type: "list_agents" },
    {
      type: "start_tcp_tunnel",
      id: 7,
      tunnel_id: "cli-1",
      service: "ssh",
      client_cn: "ana",
    },
    { type: "tunnel_started", tunnel_id: "cli-1" },
    { type: "close_tunnel", tunnel_id: "cli-1" },
    { type: "close_tcp_tunnel", tunnel_id: "cli-1" },
    { type: "tunnel_closed", tunnel_id: "cli-1" },
    {
      type: "execute_command",
      id: 7,
      exec_id: "exec-1",
      command: "migasfree sync",
      client_cn: undefined,
    },
    { type: "exec_started", exec_id: "exec-1" },
    {
      type: "exec_output",
      exec_id: "exec-1",
      stream: "stderr",
      data: "ñandú\r\n",
    },
    { type: "exec_complete", exec_id: "exec-1", exit_code: -9 },
    { type: "exec_error", exec_id: "exec-1", error: "Empty command" },
    {
      type: "tunnel_data",
      tunnel_id: "cli-1",
      data: new Uint8Array([0, 255]),
    },
  ]);
});

test("parseV1Message() reads JSON in a binary message, too", () => {
  const bytes = new TextEncoder().encode('{"type":"list_agents"}');
  expect(parseV1Message(bytes)).toEqual({ type: "list_agents" });
  expect(parseV1Message(new Uint8Array([0xff, 0xfe])))
    .toMatchObject({ type: "ignored" });
});

test("parseV1Message() takes an id that is written as text, and none but a device's", () => {
  const register = { type: "register_agent", name: "x", services: [] };
  expect(parse({ ...register, id: "7" })).toMatchObject({ id: 7 });
  for (const id of ["07x", "", 0, -1, 1.5, 2 ** 31, null, [7], undefined]) {
    expect(parse({ ...register, id })).toEqual({ type: "ignored", why: "id" });
  }
});

test("parseV1Message() leaves it to the hearer to say that there is no such device", () => {
  const start = { type: "start_tcp_tunnel", "tunnel_id": "t" };
  const command = { type: "execute_command", "exec_id": "e", command: "x" };
  for (const id of ["x", 0, 1.5, null, {}]) {
    for (const wish of [start, command]) {
      const { type } = wish;
      expect(parse({ ...wish, id })).toMatchObject({ type, id: undefined });
    }
  }
  expect(parse(start)).toMatchObject({ service: "ssh" });
});

test("parseV1Message() ignores what it does not know, and says why in harmless text", () => {
  const long = "x".repeat(129);
  const unread: [string, RegExp][] = [
    ["", /JSON/],
    ["no json \u001b[2J", /JSON/],
    ["null", /known type/],
    ["[]", /known type/],
    ['"tunnel_data"', /known type/],
    ['{"type":"tunnel_data"}', /type/],
    ['{"type":"toString"}', /type/],
    ['{"type":"__proto__"}', /type/],
    ['{"type":"tunnel_data","tunnel_id":"t","data":"0g"}', /hexadecimal/],
    ['{"type":"tunnel_data","tunnel_id":"t","data":"0"}', /hexadecimal/],
    [`{"type":"tunnel_data","tunnel_id":"${long}","data":""}`, /type/],
    [`{"type":"close_tunnel","tunnel_id":"${long}"}`, /tunnel_id/],
    ['{"type":"close_tunnel","tunnel_id":""}', /tunnel_id/],
    ['{"type":"exec_complete","exec_id":"e","exit_code":"0"}', /exit_code/],
  ];
  for (const [text, why] of unread) {
    const parsed = parseV1Message(text);
    expect(parsed.type).toBe("ignored");
    if (parsed.type !== "ignored") continue;
    expect(parsed.why).toMatch(why);
    expect(parsed.why.length).toBeLessThanOrEqual(64);
    // deno-lint-ignore no-control-regex
    expect(parsed.why).not.toMatch(/[\u0000-\u001f]/);
  }
});

test("parseV1Message() makes the words of a peer harmless", () => {
  const error = "\u001b[31mno\n" + "x".repeat(5_000);
  for (
    const parsed of [
      parse({ type: "exec_error", exec_id: "e", error }),
      parse({ type: "error", message: error }),
    ] as { error?: string; message?: string }[]
  ) {
    const text = parsed.error ?? parsed.message ?? "";
    expect(text.startsWith("?[31mno?xxx")).toBe(true);
    expect(text.length).toBe(4_096);
  }
});
