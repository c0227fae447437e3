import * as z from "zod/mini";
import { plainText } from "../base/text.ts";
import { Fault } from "../protocol/fault.ts";
import { EXEC_SERVICE } from "../protocol/exec_message.ts";
import { type DeviceRef, parseDeviceRef } from "../protocol/id.ts";
import { answerFault } from "../transport/answer_fault.ts";
import type { OperatorPorts } from "./ports.ts";
import {
  findManagerAgent,
  isOldSite,
  listManagerAgents,
  type ManagerAgent,
} from "./site.ts";

/** How many devices a page may hold, and how many pages we turn. */
const PAGE_MAX_COUNT = 500;
const PAGES_MAX_COUNT = 1_000;

const deviceSchema = z.object({
  id: z.int(),
  name: z.pipe(z.string(), z.transform((name) => plainText(name, 128))),
  services: z.array(
    z.pipe(z.string(), z.transform((name) => plainText(name, 32))),
  ),
  /** Whether it takes remote commands. */
  exec: z.optional(z.boolean()),
  online: z.boolean(),
  seen_at: z.optional(z.string().check(z.maxLength(64))),
});

/** A device as `devices` lists it; the keys are those of `--json`. */
export type Device = z.infer<typeof deviceSchema>;

/**
 * Lists all devices that the gateway knows, by id; at a site with the relay of
 * migasfree 5, all agents that its manager knows. @throws {Fault}
 */
export async function listDevices(
  ports: OperatorPorts,
  signal: AbortSignal,
): Promise<Device[]> {
  return await askGateway(ports, () => listAll(ports, signal)) ??
    (await listManagerAgents(ports, signal)).map(deviceOf);
}

async function listAll(
  ports: OperatorPorts,
  signal: AbortSignal,
): Promise<Device[]> {
  const devices: Device[] = [];
  for (let page = 0; page < PAGES_MAX_COUNT; page++) {
    const after = devices.at(-1)?.id ?? 0;
    const query = `limit=${PAGE_MAX_COUNT}&after=${after}`;
    const found = await getDevices(query, ports, signal);
    devices.push(...found);
    if (found.length < PAGE_MAX_COUNT) break;
  }
  return devices;
}

/**
 * Finds the one device that `text` names.
 *
 * @throws {Fault} `usageInvalid` if the text can name none, or names several;
 * `deviceUnknown`, `deviceOffline`; or why the gateway could not be asked.
 */
export async function findDevice(
  text: string,
  ports: OperatorPorts,
  signal: AbortSignal,
): Promise<Device> {
  const ref = parseDeviceRef(text);
  if (!ref) {
    throw new Fault(
      "usageInvalid",
      `Cannot read "${plainText(text, 64)}" as a device`,
      {
        hint: "Give 7, CID-7 or the device's name",
      },
    );
  }
  const found = await askGateway(
    ports,
    () => getDevices(queryOf(ref), ports, signal),
  ) ?? await findAtManager(ref, ports, signal);
  const online = found.filter((device) => device.online);
  const [device] = online.length > 0 ? online : found;
  if (!device) {
    throw new Fault("deviceUnknown", `There is no device ${nameOf(ref)}`, {
      hint: "Run `migasfree-agent devices` to see which there are",
    });
  }
  if (online.length > 1) {
    const ids = online.map(({ id }) => `CID-${id}`).slice(0, 10).join(", ");
    throw new Fault(
      "usageInvalid",
      `Several devices are ${nameOf(ref)}: ${ids}`,
      {
        hint: "Name the one you mean by its id",
      },
    );
  }
  if (!device.online) {
    const seen = device.seen_at ? `, last seen ${device.seen_at}` : "";
    throw new Fault("deviceOffline", `Device ${device.id} is offline${seen}`, {
      hint: "Check that the computer is on and its agent runs",
    });
  }
  return device;
}

/** Says within this file that nobody there knows the question. */
class OldSite extends Error {}

/** Returns undefined if the site has a manager to ask, and no gateway of ours. */
async function askGateway<T>(
  { site }: OperatorPorts,
  ask: () => Promise<T>,
): Promise<T | undefined> {
  if (site.isOld) return undefined;
  try {
    const answer = await ask();
    site.isOld = false;
    return answer;
  } catch (error) {
    if (!(error instanceof OldSite)) throw error;
    site.isOld = true;
    return undefined;
  }
}

async function findAtManager(
  ref: DeviceRef,
  ports: OperatorPorts,
  signal: AbortSignal,
): Promise<Device[]> {
  if (ref.tag === "id") {
    const agent = await findManagerAgent(ref.id, ports, signal);
    return agent ? [deviceOf(agent)] : [];
  }
  const all = (await listManagerAgents(ports, signal)).map(deviceOf);
  return all.filter(({ name }) => name === ref.name);
}

/** Whoever is on the manager's list has been online a moment ago. */
function deviceOf({ id, name, services }: ManagerAgent): Device {
  return {
    id,
    // Agents of migasfree 5 write their id behind their name.
    name: name.replace(/ \[CID-[0-9]+\]$/, ""),
    services: services.filter((service) => service !== EXEC_SERVICE),
    exec: true,
    online: true,
  };
}

async function getDevices(
  query: string,
  ports: OperatorPorts,
  signal: AbortSignal,
): Promise<Device[]> {
  const base = ports.gatewayUrl.replace(/^ws/, "http");
  const answer = await ports.getJson(`${base}/devices?${query}`, signal);
  if (isOldSite(answer)) throw new OldSite();
  if (answer.status !== 200) throw answerFault(answer, base);
  const parsed = z.array(deviceSchema).check(z.maxLength(PAGE_MAX_COUNT))
    .safeParse(answer.body);
  if (parsed.success) return parsed.data;
  throw new Fault(
    "messageInvalid",
    "Cannot read the gateway's list of devices",
    {
      hint: "Check that the address is a migasfree-agent 2 gateway",
    },
  );
}

function queryOf(ref: DeviceRef): string {
  return ref.tag === "id"
    ? `id=${ref.id}`
    : `name=${encodeURIComponent(ref.name)}`;
}

function nameOf(ref: DeviceRef): string {
  return ref.tag === "id" ? String(ref.id) : `"${plainText(ref.name, 64)}"`;
}
