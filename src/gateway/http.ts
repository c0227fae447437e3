import { Hono } from "hono";
import * as z from "zod/mini";
import { plainText } from "../base/text.ts";
import type {
  DeviceStore,
  Later,
  StoredDevice,
} from "../policy/device_store.ts";
import { Fault } from "../protocol/fault.ts";
import { EXEC_SERVICE } from "../protocol/exec_message.ts";
import { DEVICE_ID_MAX, deviceNameSchema } from "../protocol/id.ts";
import { DEVICE_NAME_MAX_CHARS } from "../protocol/limits.ts";
import {
  CONNECT_PATH,
  CONTROL_PATH,
  DEVICES_PATH,
  ENROLL_PATH,
  RENEW_PATH,
  STREAM_PATH,
} from "../protocol/version.ts";
import type { Caller } from "../transport/visitor.ts";
import { type Downloads, DOWNLOADS_PATH } from "./downloads.ts";
import type { EnrollAnswer, EnrollPages } from "./enroll_pages.ts";
import { statusOf } from "./fault_status.ts";
import {
  MANAGER_PATH,
  type ManagerCaller,
  managerPages,
  type ManagerPorts,
} from "./manager_pages.ts";
import { METRICS_CONTENT_TYPE } from "./metric_family.ts";
import { wholeSchema } from "./whole_schema.ts";

const HEALTH_PATH = "/tunnel/health";
/** Where the health check of migasfree's relay container looks. */
const RELAY_HEALTH_PATH = "/health";
const READY_PATH = "/tunnel/ready";
const METRICS_PATH = "/tunnel/metrics";

/** Most devices of one page, and how many there are unless it is asked. */
const PAGE_MAX_COUNT = 10_000;

/** RFC 9110 §15.5.22. */
const UPGRADE_REQUIRED = 426;

/** What every page of a gateway needs. */
interface PagePorts {
  readonly state: () => {
    readonly draining: boolean;
    /** How many are online. */
    readonly agents: number;
    /** Whether what several gateways share answers, if they are several. */
    readonly redis?: "up" | "away" | undefined;
    /** True: whoever comes is served without a certificate. */
    readonly insecure?: true | undefined;
  };
  /** Told of a bug, or of a store that fails; the caller sees only that. */
  readonly onFailure: (error: unknown) => void;
}

export interface HttpPorts extends PagePorts {
  readonly store: Pick<DeviceStore, "find" | "findByName" | "list">;
  /** Returns those of `deviceIds` that are online, at whatever gateway. */
  readonly online: (
    deviceIds: readonly number[],
  ) => Later<ReadonlySet<number>>;
  /** Undefined: no peers of protocol 1 are served. */
  readonly manager?: Omit<ManagerPorts, "onFailure"> | undefined;
  /** Undefined: nobody enrols here. */
  readonly enroll?: EnrollPages | undefined;
  /** Undefined: there is nothing to be had here. */
  readonly downloads?: Pick<Downloads, "answer"> | undefined;
}

export interface MetricsPorts extends PagePorts {
  /** Returns the page for Prometheus. */
  readonly metrics: () => string;
}

/** What is known of one request, beside itself. */
export interface RequestPorts {
  /** Throws the fault why the caller may not see what operators see. */
  readonly admit: () => unknown;
  /** Who asks, before anything is believed of it. */
  readonly caller: Caller;
  /** The same for the pages of migasfree's manager. */
  readonly manager: ManagerCaller;
}

type Answer = Response | Promise<Response>;

/** Answers requests; never rejects. */
export interface HttpApp {
  readonly fetch: (request: Request, ports: RequestPorts) => Answer;
}

/** Answers requests of whoever comes; never rejects. */
export interface MetricsApp {
  readonly fetch: (request: Request) => Answer;
}

/** Makes what answers the requests that are no links, for everybody. */
export function createHttpApp(ports: HttpPorts): HttpApp {
  const app = new Hono<{ Bindings: RequestPorts }>();
  addStatePages(app, ports);
  app.get(DEVICES_PATH, async ({ env, req }) => {
    env.admit();
    const devices = await devicesOf(req.query(), ports.store);
    const online = await ports.online(devices.map((d) => d.deviceId));
    return jsonAnswer(
      200,
      devices.map((device) => deviceRow(device, online)),
    );
  });
  for (const path of [CONTROL_PATH, STREAM_PATH, CONNECT_PATH]) {
    app.get(path, () => upgradeRequired());
  }
  const { downloads, enroll, manager, onFailure } = ports;
  if (enroll) addEnrollPages(app, enroll);
  if (manager) {
    app.route(MANAGER_PATH, managerPages({ ...manager, onFailure }));
  }
  if (downloads) {
    app.get(
      DOWNLOADS_PATH,
      async (context) =>
        await downloads.answer(context.req.param("name")) ?? context.notFound(),
    );
  }
  return app;
}

function addEnrollPages(
  app: Hono<{ Bindings: RequestPorts }>,
  pages: EnrollPages,
): void {
  const send = ({ body, status }: EnrollAnswer) => jsonAnswer(status, body);
  app.get(ENROLL_PATH, async () => send(await pages.offer()));
  app.post(
    ENROLL_PATH,
    async ({ env, req }) => send(await pages.enroll(req.raw, env.caller)),
  );
  app.post(
    RENEW_PATH,
    async ({ env, req }) => send(await pages.renew(req.raw, env.caller)),
  );
}

/** Makes what answers on the address for those who watch the gateway. */
export function createMetricsApp(ports: MetricsPorts): MetricsApp {
  const app = new Hono<{ Bindings: object }>();
  addStatePages(app, ports);
  app.get(
    METRICS_PATH,
    () => answer(200, METRICS_CONTENT_TYPE, ports.metrics()),
  );
  return app;
}

function addStatePages<Bindings extends object>(
  app: Hono<{ Bindings: Bindings }>,
  { state, onFailure }: PagePorts,
): void {
  for (const path of [HEALTH_PATH, RELAY_HEALTH_PATH]) {
    app.get(path, () => answer(200, "text/plain; charset=utf-8", "OK\n"));
  }
  app.get(READY_PATH, () => {
    const { agents, draining, insecure, redis } = state();
    // Without Redis it still serves what is here.
    const ready = !draining;
    const body = { ready, agents, draining, redis, insecure };
    return jsonAnswer(ready ? 200 : 503, body);
  });
  app.notFound(() => {
    const message = "There is nothing at this path";
    return faultAnswer(
      new Fault("gatewayRefused", message, {
        hint: "Links begin at /tunnel, the list is at /tunnel/devices",
      }),
    );
  });
  app.onError((error) => {
    const fault = Fault.from(error);
    if (fault.code !== "internal") return faultAnswer(fault);
    onFailure(error);
    // What went wrong inside is for our log, not for a caller.
    return faultAnswer(
      new Fault("internal", "Internal error", {
        hint: "Look at the gateway's log",
      }),
    );
  });
}

const querySchema = z.object({
  id: z.optional(wholeSchema(1, DEVICE_ID_MAX)),
  name: z.optional(deviceNameSchema),
  limit: z._default(wholeSchema(1, PAGE_MAX_COUNT), PAGE_MAX_COUNT),
  after: z._default(wholeSchema(0, DEVICE_ID_MAX), 0),
});

/** @throws {Fault} `messageInvalid`. */
async function devicesOf(
  query: Readonly<Record<string, string>>,
  store: HttpPorts["store"],
): Promise<StoredDevice[]> {
  const parsed = querySchema.safeParse(query);
  if (!parsed.success) {
    const key = parsed.error.issues[0]?.path[0] ?? "query";
    throw new Fault(
      "messageInvalid",
      `Cannot list devices: "${String(key)}" is not what it should be`,
      { hint: `Give id, name, after, or limit (1 to ${PAGE_MAX_COUNT})` },
    );
  }
  const { id, name, limit, after } = parsed.data;
  if (id === undefined && name === undefined) {
    return await store.list({ limit, after });
  }
  const byName = name === undefined ? undefined : await store.findByName(name);
  const byId = id === undefined ? undefined : await store.find(id);
  const found = byName ?? (byId ? [byId] : []);
  return found
    .filter(({ deviceId }) => id === undefined || deviceId === id)
    .filter(({ deviceId }) => deviceId > after)
    .slice(0, limit);
}

/** A device as the wire has it: docs/PROTOCOL.md §2.5. */
function deviceRow(device: StoredDevice, online: ReadonlySet<number>) {
  const { deviceId, name, services, seenAtMs } = device;
  return {
    id: deviceId,
    name: plainText(name, DEVICE_NAME_MAX_CHARS),
    // What a viewer or ssh can open; the remote command is none of these.
    services: services.filter((service) => service !== EXEC_SERVICE),
    exec: services.includes(EXEC_SERVICE),
    online: online.has(deviceId),
    seen_at: new Date(seenAtMs).toISOString(),
  };
}

function upgradeRequired(): Response {
  const fault = new Fault(
    "messageUnexpected",
    "Cannot open a link without a WebSocket handshake",
    { hint: "Use migasfree-agent, or any WebSocket client" },
  );
  // Upgrade is a hop's own: Connection must name it (RFC 9110 §7.8).
  const headers = { connection: "upgrade", upgrade: "websocket" };
  return faultAnswer(fault, UPGRADE_REQUIRED, headers);
}

function faultAnswer(
  fault: Fault,
  status: number = statusOf(fault.code),
  headers: Readonly<Record<string, string>> = {},
): Response {
  const { code, message, hint, retryAfterMs } = fault;
  return jsonAnswer(status, { code, message, hint }, {
    ...headers,
    ...(retryAfterMs === undefined
      ? {}
      : { "retry-after": String(Math.ceil(retryAfterMs / 1000)) }),
  });
}

function jsonAnswer(
  status: number,
  body: unknown,
  headers: Readonly<Record<string, string>> = {},
): Response {
  return answer(status, "application/json", JSON.stringify(body), headers);
}

function answer(
  status: number,
  contentType: string,
  body: string,
  headers: Readonly<Record<string, string>> = {},
): Response {
  return new Response(body, {
    status,
    headers: {
      "content-type": contentType,
      // Who is there, and when, is for the caller only; and only as data.
      "cache-control": "no-store",
      "x-content-type-options": "nosniff",
      ...headers,
    },
  });
}
