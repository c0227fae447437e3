import * as z from "zod/mini";
import { plainText } from "../base/text.ts";
import { Fault } from "../protocol/fault.ts";
import { answerFault } from "../transport/answer_fault.ts";
import type { JsonAnswer } from "../transport/post_json.ts";
import type { OperatorPorts } from "./ports.ts";

/** Below the origin of a migasfree 5 site. */
const AGENTS_PATH = "/manager/v1/private/tunnel/agents";

/** Page sizes that are asked for, until the manager takes one. */
const PAGE_COUNTS = [500, 100, 20] as const;
/** The manager of migasfree lists no more than 5,001 agents. */
const AGENTS_MAX_COUNT = 50_000;

const NAME_MAX_CHARS = 128;

/** Statuses with which a site says something of us, and not of its age. */
const SAYS_OF_US: readonly number[] = [401, 403, 429, 503];

const agentSchema = z.object({
  id: z.union([
    z.int(),
    z.pipe(z.string().check(z.regex(/^[0-9]{1,10}$/)), z.transform(Number)),
  ]),
  name: z.pipe(
    z.catch(z.string(), ""),
    z.transform((name) => plainText(name, NAME_MAX_CHARS)),
  ),
  services: z.catch(
    z.array(z.pipe(z.string(), z.transform((name) => plainText(name, 32)))),
    [],
  ),
  relay: z.catch(z.optional(z.string().check(z.maxLength(2_048))), undefined),
});

/** An agent as migasfree's manager lists it: it is online, or was just now. */
export type ManagerAgent = z.infer<typeof agentSchema>;

const pageSchema = z.object({
  agents: z.array(z.unknown()).check(z.maxLength(10_000)),
  total: z.catch(z.int().check(z.minimum(0)), 0),
});

/** What a program has learned of the site that it works at. */
export class Site {
  /** Whether the gateway speaks protocol 1 alone; undefined: not tried. */
  isOld: boolean | undefined;
  /** Device => where the manager says that its agent is. */
  readonly relays = new Map<number, string>();
  /** When the last tunnel ended, by the program's clock. */
  leftAtMs = -Infinity;
}

/**
 * Returns whether `answer`, to a question that only a gateway of protocol 2
 * knows, is that of a site with the relay of migasfree 5.
 */
export function isOldSite(answer: JsonAnswer): boolean {
  if (answer.status === 200 || SAYS_OF_US.includes(answer.status)) return false;
  // Ours says why in a code of its own.
  const { code } = Object(answer.body) as Record<string, unknown>;
  return typeof code !== "string";
}

/** Lists all agents that the manager knows, by id. @throws {Fault} */
export async function listManagerAgents(
  ports: OperatorPorts,
  signal: AbortSignal,
): Promise<ManagerAgent[]> {
  const agents = new Map<number, ManagerAgent>();
  const first = await firstPage(ports, signal);
  let { total, found } = first;
  for (let page = 2;; page++) {
    const before = agents.size;
    for (const agent of found) keep(agent, agents, ports);
    // Its order is not stable, so that a page may bring nothing new.
    const isAll = agents.size >= Math.min(total, AGENTS_MAX_COUNT);
    const isEnd = found.length === 0 || page > 2 && agents.size === before;
    if (isAll || isEnd) break;
    ({ total, found } = await getPage(page, first.limit, ports, signal));
  }
  return [...agents.values()].sort((a, b) => a.id - b.id);
}

/** Finds one agent by its id; undefined: the manager knows none. */
export async function findManagerAgent(
  deviceId: number,
  ports: OperatorPorts,
  signal: AbortSignal,
): Promise<ManagerAgent | undefined> {
  const url = `${managerUrl(ports)}/${deviceId}`;
  const answer = await ports.getJson(url, signal);
  if (answer.status === 404) return undefined;
  if (answer.status !== 200) throw answerFault(answer, url);
  const agent = agentSchema.safeParse(answer.body);
  if (!agent.success) throw unreadable();
  keep(agent.data, new Map(), ports);
  return agent.data;
}

/** Asks for less where the manager takes no such page. */
async function firstPage(ports: OperatorPorts, signal: AbortSignal) {
  for (const limit of PAGE_COUNTS) {
    try {
      return { limit, ...await getPage(1, limit, ports, signal) };
    } catch (error) {
      const isTooMuch = error instanceof Fault &&
        error.code === "usageInvalid";
      if (!isTooMuch) throw error;
    }
  }
  throw unreadable();
}

async function getPage(
  page: number,
  limit: number,
  ports: OperatorPorts,
  signal: AbortSignal,
): Promise<{ total: number; found: ManagerAgent[] }> {
  const url = `${managerUrl(ports)}?page=${page}&limit=${limit}`;
  const answer = await ports.getJson(url, signal);
  if (answer.status === 422) {
    throw new Fault("usageInvalid", "The manager takes no such page");
  }
  if (answer.status !== 200) throw answerFault(answer, url);
  const parsed = pageSchema.safeParse(answer.body);
  if (!parsed.success) throw unreadable();
  // One entry that cannot be read must not hide all others.
  const found = parsed.data.agents.flatMap((row) => {
    const agent = agentSchema.safeParse(row);
    return agent.success ? [agent.data] : [];
  });
  return { total: parsed.data.total, found };
}

function keep(
  agent: ManagerAgent,
  agents: Map<number, ManagerAgent>,
  { site }: OperatorPorts,
): void {
  agents.set(agent.id, agent);
  if (agent.relay !== undefined) site.relays.set(agent.id, agent.relay);
}

function managerUrl({ gatewayUrl }: OperatorPorts): string {
  return `${new URL(gatewayUrl).origin.replace(/^ws/, "http")}${AGENTS_PATH}`;
}

function unreadable(): Fault {
  return new Fault(
    "messageInvalid",
    "Cannot read the manager's list of agents",
    { hint: "Check that the address is a migasfree 5 server" },
  );
}
