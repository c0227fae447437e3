import { Hono } from "hono";
import { bodyLimit } from "hono/body-limit";
import { en } from "zod/locales";
import * as z from "zod/mini";
import { Fault, type FaultCode } from "../protocol/fault.ts";
import { DEVICE_ID_MAX, deviceIdSchema } from "../protocol/id.ts";
import type { StoredDevice } from "../policy/device_store.ts";
import { statusOf } from "./fault_status.ts";
import { agentRow } from "./online_agents.ts";
import { wholeSchema } from "./whole_schema.ts";

/** Where migasfree's manager serves; its own clients ask nowhere else. */
export const MANAGER_PATH = "/manager/v1";

/** Unlike upstream's limit of 2, enough for a client that never asks again. */
const LIMIT_DEFAULT_COUNT = 1_000;
const LIMIT_MAX_COUNT = 10_000;
const BODY_MAX_BYTES = 16 * 1024;
const QUERY_MAX_CHARS = 128;
const NAME_MAX_CHARS = 512;
const SERVICES_MAX_COUNT = 64;

/** RFC 9110 §15.5.21: what migasfree's manager says of a body it cannot use. */
const UNPROCESSABLE = 422;

/** What the pages need to know of who asks. */
export interface ManagerCaller {
  /** @throws {Fault} Why it may not see what operators see. */
  readonly admitOperator: () => unknown;
  /** @throws {Fault} Why it may not be an agent. */
  readonly admitAgent: () => unknown;
  /**
   * Binds a device to the caller, as a link of its agent would.
   *
   * @throws {Fault} Why not.
   */
  readonly register: (deviceId: number, name: string) => Promise<void>;
  /** Where its links are to be dialed; undefined: nobody knows. */
  readonly relay: () => string | undefined;
}

export interface ManagerPorts {
  /** All devices that are online, by id. */
  readonly agents: () => Promise<readonly StoredDevice[]>;
  /** One of them. */
  readonly agent: (deviceId: number) => Promise<StoredDevice | undefined>;
  /** Whether the store that several gateways share answers, if there is one. */
  readonly isStoreUp: () => boolean;
  /** PEM text of the CA that signs clients; undefined: it is not known here. */
  readonly ca: () => Promise<string | undefined>;
  /** PEM texts of its CRLs, one after the other. */
  readonly crl: () => Promise<string | undefined>;
  readonly onFailure: (error: unknown) => void;
}

interface ManagerEnv {
  readonly Bindings: { readonly manager: ManagerCaller };
}

const registerSchema = z.object({
  id: z.pipe(
    z.pipe(
      z.union([deviceIdSchema, z.string().check(z.regex(/^[0-9]{1,10}$/))]),
      z.transform(Number),
    ),
    deviceIdSchema,
  ),
  name: z.string().check(z.maxLength(NAME_MAX_CHARS)),
  services: z.array(z.string().check(z.maxLength(NAME_MAX_CHARS))).check(
    z.maxLength(SERVICES_MAX_COUNT),
  ),
});

const listSchema = z.object({
  page: z._default(
    wholeSchema(1, DEVICE_ID_MAX),
    1,
  ),
  limit: z._default(
    wholeSchema(1, LIMIT_MAX_COUNT),
    LIMIT_DEFAULT_COUNT,
  ),
  q: z._default(z.string().check(z.maxLength(QUERY_MAX_CHARS)), ""),
});

/**
 * Makes the pages of migasfree's manager that its agent and its operators'
 * clients need, for sites where this gateway is all there is.
 */
export function managerPages(ports: ManagerPorts): Hono<ManagerEnv> {
  const app = new Hono<ManagerEnv>();
  addTunnelPages(app, ports);
  app.get("/private/tunnel/health", () => {
    const redis = ports.isStoreUp() ? "ok" : "error";
    return json(200, { status: "healthy", api: "ok", redis });
  });
  app.get(
    "/public/ca",
    async () => pem(await ports.ca(), "application/pkix-cert", "ca.pem"),
  );
  app.get(
    "/public/crl",
    async () => pem(await ports.crl(), "application/pkix-crl", "crl.pem"),
  );
  app.onError((error) => {
    const fault = Fault.from(error);
    if (fault.code === "internal") ports.onFailure(error);
    const message = fault.code === "internal"
      ? "Internal error"
      : fault.message;
    return detail(managerStatus(fault.code), message);
  });
  return app;
}

function addTunnelPages(app: Hono<ManagerEnv>, ports: ManagerPorts): void {
  const tooLarge = () => detail(UNPROCESSABLE, "The body is too large");
  app.post(
    "/private/tunnel/register",
    bodyLimit({ maxSize: BODY_MAX_BYTES, onError: tooLarge }),
    async ({ env, req }) => {
      env.manager.admitAgent();
      const body = registerSchema.safeParse(
        jsonOf(await req.text()),
        IN_WORDS,
      );
      if (!body.success) return unprocessable("body", body.error);
      const relay = relayOf(env.manager);
      await env.manager.register(body.data.id, body.data.name);
      return json(200, { relay });
    },
  );
  app.get("/private/tunnel/agents", async ({ env, req }) => {
    env.manager.admitOperator();
    const query = listSchema.safeParse(req.query(), IN_WORDS);
    if (!query.success) return unprocessable("query", query.error);
    const { limit, page, q } = query.data;
    const relay = relayOf(env.manager);
    const wanted = q.toLowerCase();
    const found = (await ports.agents())
      .map((device) => agentRow(device, relay))
      .filter(({ name }) => name.toLowerCase().includes(wanted));
    const agents = found.slice((page - 1) * limit, page * limit);
    return json(200, { agents, total: found.length, page, limit });
  });
  app.get("/private/tunnel/agents/:id{[0-9]{1,10}}", async ({ env, req }) => {
    env.manager.admitOperator();
    const id = Number(req.param("id"));
    const isId = deviceIdSchema.safeParse(id).success;
    const device = isId ? await ports.agent(id) : undefined;
    return device
      ? json(200, agentRow(device, relayOf(env.manager)))
      : detail(404, `Agent ${id} not found`);
  });
}

/** @throws {Fault} `messageInvalid`. */
function relayOf(caller: ManagerCaller): string {
  const relay = caller.relay();
  if (relay !== undefined) return relay;
  throw new Fault("messageInvalid", "The request has no usable Host");
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined; // As any other body that is not what it should be.
  }
}

/** Upstream knows no 401: who has no certificate is forbidden. */
function managerStatus(code: FaultCode): number {
  const status = statusOf(code);
  return status === 401 ? 403 : status;
}

/** zod/mini has no words of its own for what is wrong. */
const IN_WORDS = { error: en().localeError };

/** As FastAPI words it, which upstream's manager is made with. */
function unprocessable(part: string, { issues }: z.core.$ZodError): Response {
  const problems = issues.slice(0, 8).map(({ message, path }) => ({
    loc: [part, ...path.map(String)],
    msg: message,
    type: "value_error",
  }));
  return detail(UNPROCESSABLE, problems);
}

function detail(status: number, detail: unknown): Response {
  return json(status, { detail });
}

function json(status: number, body: unknown): Response {
  return answer(status, "application/json", JSON.stringify(body), {});
}

function pem(text: string | undefined, type: string, name: string): Response {
  if (text === undefined) return detail(404, "It is not known here");
  const disposition = `attachment; filename="${name}"`;
  return answer(200, type, text, { "content-disposition": disposition });
}

function answer(
  status: number,
  type: string,
  body: string,
  headers: Readonly<Record<string, string>>,
): Response {
  return new Response(body, {
    status,
    headers: {
      "content-type": type,
      "cache-control": "no-store",
      "x-content-type-options": "nosniff",
      ...headers,
    },
  });
}
