import { Fault } from "../protocol/fault.ts";
import { LAUNCHD_USER } from "./launchd_jobs.ts";
import { runStep, type ServiceMachine } from "./service_control.ts";

/** Numbers that macOS leaves to roles that are installed later. */
const ID_FIRST = 450;
const ID_LAST = 499;

const ACTION = "make the service's user";
const USER_PATH = `/Users/${LAUNCHD_USER}`;
const GROUP_PATH = `/Groups/${LAUNCHD_USER}`;

/** Makes the agent's user and group, who cannot log in, unless they are there. */
export async function ensureLaunchdUser(
  machine: ServiceMachine,
  signal: AbortSignal,
): Promise<void> {
  const groups = await idsOf(machine, "/Groups", "PrimaryGroupID", signal);
  const users = await idsOf(machine, "/Users", "UniqueID", signal);
  const taken = new Set([...groups.values(), ...users.values()]);
  const groupId = groups.get(LAUNCHD_USER) ?? freeId(taken);
  if (!groups.has(LAUNCHD_USER)) {
    await create(machine, GROUP_PATH, {
      PrimaryGroupID: String(groupId),
      RealName: "migasfree agent",
      Password: "*",
    }, signal);
  }
  if (users.has(LAUNCHD_USER)) return;
  await create(machine, USER_PATH, {
    UniqueID: String(taken.has(groupId) ? freeId(taken) : groupId),
    PrimaryGroupID: String(groupId),
    UserShell: "/usr/bin/false",
    NFSHomeDirectory: "/var/empty",
    RealName: "migasfree agent",
    Password: "*",
    IsHidden: "1",
  }, signal);
}

/** Removes both; who is not there is not missed. */
export async function removeLaunchdUser(
  machine: ServiceMachine,
  signal: AbortSignal,
): Promise<void> {
  for (const path of [USER_PATH, GROUP_PATH]) {
    await machine.run(["dscl", ".", "-delete", path], signal);
  }
}

async function create(
  machine: ServiceMachine,
  path: string,
  attributes: Readonly<Record<string, string>>,
  signal: AbortSignal,
): Promise<void> {
  const dscl = ["dscl", ".", "-create", path];
  await runStep(machine, ACTION, dscl, signal);
  for (const [name, value] of Object.entries(attributes)) {
    await runStep(machine, ACTION, [...dscl, name, value], signal);
  }
}

/** Name and number of everybody below `path`. */
async function idsOf(
  machine: ServiceMachine,
  path: string,
  attribute: string,
  signal: AbortSignal,
): Promise<Map<string, number>> {
  const argv = ["dscl", ".", "-list", path, attribute];
  const listed = await runStep(machine, ACTION, argv, signal);
  const rows = listed.matchAll(/^(\S+)\s+(-?\d+)$/gm);
  return new Map(
    [...rows].map(([, name = "", id]) => [name, Number(id)]),
  );
}

function freeId(taken: ReadonlySet<number>): number {
  for (let id = ID_FIRST; id <= ID_LAST; id++) if (!taken.has(id)) return id;
  throw new Fault(
    "configInvalid",
    `Cannot ${ACTION}: no number from ${ID_FIRST} to ${ID_LAST} is free`,
    { hint: "Remove roles that nobody uses, with `dscl . -delete`" },
  );
}
