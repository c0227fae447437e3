import { expect } from "bun:test";
import { randomBytes } from "node:crypto";
import { readFile } from "node:fs/promises";
import { pythonPeersMissing } from "../support/python_peer.ts";
import { serveTcp } from "../support/tcp_peer.ts";
import { testUnless } from "../support/test_unless.ts";
import { V1GatewaySite } from "./v1_gateway_site.ts";

const test = testUnless(pythonPeersMissing);

/** In hexadecimal, with what is around it, just below 10,000,000. */
const LARGE_BYTES = 4_999_900;

test(
  "item 52: the manager's and the relay's other pages are there",
  async () => {
    await using made = await V1GatewaySite.start();
    const ca = await made.ask("/manager/v1/public/ca");
    expect(ca).toEqual({
      status: 200,
      body: await readFile(`${made.site.pkiDir}/ca.pem`, "utf8"),
    });
    const crl = await made.ask("/manager/v1/public/crl");
    expect(crl.status).toBe(200);
    expect(String(crl.body)).toContain("-----BEGIN X509 CRL-----");
    expect((await made.ask("/health")).status).toBe(200);
    expect(await made.ask("/manager/v1/private/tunnel/health"))
      .toMatchObject({ status: 200, body: { status: "healthy" } });
  },
  30_000,
);

test(
  "item 34: a message of almost 10,000,000 bytes arrives whole",
  async () => {
    await using echoing = await serveTcp((socket) => void socket.pipe(socket));
    await using made = await V1GatewaySite.start();
    await made.agent(7, { services: { ssh: echoing.port } });
    await using link = await made.raw();
    const id = { "tunnel_id": "large" };
    link.send({ type: "start_tcp_tunnel", id: 7, service: "ssh", ...id });
    await link.nextOf("tunnel_started");
    const bytes = randomBytes(LARGE_BYTES);
    link.send({ type: "tunnel_data", ...id, data: bytes.toString("hex") });
    const parts: Buffer[] = [];
    for (let heard = 0; heard < LARGE_BYTES;) {
      const { data } = await link.nextOf("tunnel_data");
      const part = Buffer.from(String(data), "hex");
      parts.push(part);
      heard += part.length;
    }
    expect(Buffer.concat(parts).equals(bytes)).toBe(true);
  },
  60_000,
);

test(
  "item 34: a message that is too large ends the link with 1009",
  async () => {
    await using made = await V1GatewaySite.start();
    await using link = await made.raw();
    link.send({ type: "list_agents", filler: "x".repeat(10_000_001) });
    expect(await link.closed).toMatchObject({ code: 1009 });
  },
  30_000,
);

test(
  "item 34: what the gateway cannot read leaves an operator's link as it is",
  async () => {
    await using made = await V1GatewaySite.start();
    await using link = await made.raw();
    for (
      const text of [
        "{",
        "[1]",
        "7",
        "null",
        "",
        '{"type": 7}',
        '{"type": "?"}',
      ]
    ) link.send(text);
    link.send(new TextEncoder().encode('{"type": "connect_client"}'));
    expect(await link.nextOf("connection_ok")).toEqual({
      type: "connection_ok",
      message: "Client connected",
    });
  },
  30_000,
);
