import type { OperatorPorts } from "../../src/connect/ports.ts";
import { Site } from "../../src/connect/site.ts";
import { WindowBudget } from "../../src/stream/window_budget.ts";
import { Heartbeats } from "../../src/transport/heartbeats.ts";
import type { JsonAnswer } from "../../src/transport/post_json.ts";
import { ManualClock, settle } from "../support/manual_clock.ts";
import { type MemoryLink, memoryLinks } from "../support/memory_link.ts";

/** What a relay of protocol 1 has heard on one link. */
type Said = Readonly<Record<string, unknown>>;

/** One handshake at the relay that the test plays. */
export class RelaySide {
  readonly said: Said[] = [];
  readonly link: MemoryLink;
  readonly headers: Readonly<Record<string, string>>;
  end: number | undefined;

  constructor(
    link: MemoryLink,
    headers: Readonly<Record<string, string>>,
    answer: (said: Said, relay: RelaySide) => void,
  ) {
    this.link = link;
    this.headers = headers;
    link.handle({
      message: (message) => {
        const said = JSON.parse(String(message)) as Said;
        this.said.push(said);
        answer(said, this);
      },
      drain: () => undefined,
      closed: ({ code }) => void (this.end = code),
    });
  }

  say(message: object): void {
    this.link.send(JSON.stringify(message));
  }

  /** What was said of this type. */
  heard(type: string): Said[] {
    return this.said.filter((said) => said["type"] === type);
  }
}

/** A site of migasfree 5: pages by path and query, and a relay. */
export class V1Bench {
  readonly clock = new ManualClock();
  readonly site = new Site();
  readonly asked: string[] = [];
  readonly dialed: (string | undefined)[][] = [];
  readonly relays: RelaySide[] = [];
  readonly pages = new Map<string, { status: number; body: unknown }>();
  /** How the relay answers; by default as upstream's does. */
  answer: (said: Said, relay: RelaySide) => void = answerAsUpstream;

  get relay(): RelaySide {
    const relay = this.relays.at(-1);
    if (!relay) throw new Error("Nobody has dialed");
    return relay;
  }

  /** Puts a page at a path behind the manager's list of agents. */
  page(path: string, body: unknown, status = 200): void {
    this.pages.set(`/manager/v1/private/tunnel/agents${path}`, {
      status,
      body,
    });
  }

  get ports(): OperatorPorts {
    return {
      clock: this.clock,
      heartbeats: new Heartbeats(this.clock, "probe"),
      budget: new WindowBudget(1024 * 1024),
      random: () => 0.5,
      lost: () => undefined,
      back: () => undefined,
      gatewayUrl: "wss://mf.test:8443/tunnel",
      commonName: () => Promise.resolve("alice"),
      site: this.site,
      dial: (url, subprotocol, headers) => {
        this.dialed.push([url, subprotocol]);
        const { near, far } = memoryLinks();
        this.relays.push(
          new RelaySide(
            far,
            headers,
            (said, relay) => this.answer(said, relay),
          ),
        );
        return Promise.resolve(near);
      },
      getJson: (url) => Promise.resolve(this.#pageAt(url)),
    };
  }

  /** Lets all that is ready happen. */
  async settle(): Promise<void> {
    for (let turn = 0; turn < 8; turn++) await settle();
  }

  #pageAt(url: string): JsonAnswer {
    const { origin, pathname, search } = new URL(url);
    this.asked.push(`${origin}${pathname}${search}`);
    const found = this.pages.get(`${pathname}${search}`) ??
      { status: 426, body: undefined };
    return { ...found, retryAfterMs: undefined, dateMs: undefined };
  }
}

/** As migasfree's relay does for a device that is connected to it. */
export function answerAsUpstream(said: Said, relay: RelaySide): void {
  const { tunnel_id, exec_id, id } = said;
  switch (said["type"]) {
    case "connect_client":
      return relay.say({ type: "connection_ok", message: "Client connected" });
    case "start_tcp_tunnel":
      return relay.say({ type: "tunnel_started", tunnel_id, id });
    case "execute_command":
      return relay.say({ type: "exec_started", exec_id, id });
    case "close_tunnel":
      return relay.say({ type: "tunnel_closed", tunnel_id });
  }
}

/** Says bytes as an agent does that the relay forwards. */
export function tunnelData(tunnelId: unknown, text: string): object {
  const data = new TextEncoder().encode(text).toHex();
  return { type: "tunnel_data", "tunnel_id": tunnelId, origin: "agent", data };
}
