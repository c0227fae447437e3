import { afterAll, beforeAll, expect, test } from "bun:test";
import { STREAM_SUBPROTOCOL } from "../../src/protocol/version.ts";
import { runChild } from "../support/child.ts";
import { FaultRelay } from "../support/fault_relay.ts";
import { openEcho } from "../support/listener.ts";
import { RawLink } from "../support/raw_link.ts";
import { BINARY, type Identity, Site } from "../support/site.ts";
import { serveTcp } from "../support/tcp_peer.ts";

const LIMIT_MS = 30_000;

/** How what a resume token says begins, as it is written in the token. */
const CLAIMS_START = Buffer.from('{"tunnel":"').toString("base64url")
  .slice(0, -1);
/** A ticket: docs/PROTOCOL.md §3.5. */
const TICKET_REGEXP = /(?<![0-9a-f])[0-9a-f]{64}(?![0-9a-f])/;

let site: Site;
let relay: FaultRelay;
let gateway: Awaited<ReturnType<Site["gateway"]>>;
let agent: Awaited<ReturnType<Site["agent"]>>;
let operator: Identity;
let thief: Identity;
let metricsUrl: string;

beforeAll(async () => {
  site = await Site.create();
  gateway = await site.gateway();
  const listen = await gateway.child.line(/metrics\.listen/);
  metricsUrl = `http://${/listen=(\S+)/.exec(listen)?.[1]}/tunnel/metrics`;
  const target = { host: "127.0.0.1", port: gateway.port };
  relay = site.own(await FaultRelay.listen({ target }));
  operator = await site.identity("operator", "maria");
  thief = await site.identity("operator", "pedro");
  const { port } = site.own(
    await serveTcp((socket) => void socket.pipe(socket)),
  );
  agent = await site.agent({
    id: 7,
    url: gateway.url,
    services: { echo: port },
  });
}, LIMIT_MS);

afterAll(async () => await site[Symbol.asyncDispose](), LIMIT_MS);

/** Everything that anybody wrote down, or shows to who asks. */
async function allThatIsWritten(): Promise<string> {
  const { stdout } = await runChild(
    [BINARY, "status", "--json", "--config", agent.config],
  );
  const metrics = await (await fetch(metricsUrl)).text();
  const audit = await Bun.file(`${site.dir}/gateway/audit.jsonl`).text();
  const logs = [gateway.child, agent.child].map((child) => {
    const { stderr, stdout } = child.output();
    return stdout + stderr;
  });
  return [...logs, stdout, metrics, audit].join("\n");
}

test(
  "no resume token and no ticket is ever written down, whoever takes or refuses it",
  async () => {
    const url = `wss://localhost:${relay.port}/tunnel`;
    using tunnel = await openEcho(site, url, operator, "7");
    for (let losses = 0; losses < 3; losses++) {
      relay.reset();
      await tunnel.echo();
    }
    // A token that is refused, because another's certificate shows it.
    await using own = await RawLink.dial({
      url: `${gateway.url}/connect?device=7&service=echo`,
      identity: operator,
      subprotocol: STREAM_SUBPROTOCOL,
    });
    const token = String((await own.nextOf("joined"))["resume_token"]);
    expect(token).toStartWith(CLAIMS_START);
    for (const path of ["resume", `resume?token=${token}`]) {
      await using stolen = await RawLink.dial({
        url: `${gateway.url}/${path}`,
        identity: thief,
        subprotocol: STREAM_SUBPROTOCOL,
        headers: { Authorization: `Bearer ${token}` },
      });
      expect((await stolen.closed).code).toBe(4412);
    }
    const written = await allThatIsWritten();
    // All of it is there: what is looked for could be.
    expect(written.match(/tunnel\.resume /g)?.length).toBeGreaterThan(5);
    expect(written).toContain('"code":"ticketInvalid"');
    expect(written).toContain('"replayed_bytes"');
    expect(written).toMatch(/# TYPE \w*resum\w* counter/);
    const said = `${written}\n${JSON.stringify(tunnel.child.output())}`;
    expect(said).not.toContain(CLAIMS_START);
    expect(said).not.toContain("Bearer");
    expect(said).not.toMatch(TICKET_REGEXP);
  },
  LIMIT_MS,
);

test(
  "a resume token opens nothing but the way back to its own tunnel",
  async () => {
    await using own = await RawLink.dial({
      url: `${gateway.url}/connect?device=7&service=echo`,
      identity: operator,
      subprotocol: STREAM_SUBPROTOCOL,
    });
    const token = String((await own.nextOf("joined"))["resume_token"]);
    const claims = JSON.parse(
      Buffer.from(token.split(".")[0] ?? "", "base64url").toString(),
    );
    expect(claims).toMatchObject({ device: 7, role: "operator" });
    // As an agent's ticket, with the agent's own certificate.
    await using asTicket = await RawLink.dial({
      url: `${gateway.url}/stream`,
      identity: agent.identity,
      subprotocol: STREAM_SUBPROTOCOL,
      headers: { Authorization: `Bearer ${token}` },
    });
    expect((await asTicket.closed).code).toBe(4412);
    // It gives no right to ask for another service: that is asked as ever.
    await using asRight = await RawLink.dial({
      url: `${gateway.url}/connect?device=7&service=ssh`,
      identity: operator,
      subprotocol: STREAM_SUBPROTOCOL,
      headers: { Authorization: `Bearer ${token}` },
    });
    expect((await asRight.closed).code).toBe(4415);
  },
  LIMIT_MS,
);
