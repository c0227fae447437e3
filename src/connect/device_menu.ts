import type { Device } from "./devices.ts";

/** How many devices a menu shows. Ours to choose: they fit on a screen. */
export const MENU_MAX_COUNT = 20;

/** What a person's answer to a menu means. */
export type MenuChoice =
  | { readonly tag: "device"; readonly device: Device }
  /** The answer fits these: another menu. */
  | { readonly tag: "several"; readonly devices: readonly Device[] }
  | { readonly tag: "none" };

/** Returns the devices that are online and offer `service`, `exec` too. */
export function devicesOffering(
  service: string,
  devices: readonly Device[],
): Device[] {
  return devices.filter(({ exec, online, services }) =>
    // An agent of protocol 1 takes commands and says nothing about it.
    online && (service === "exec" ? exec !== false : services.includes(service))
  );
}

/**
 * Reads what somebody typed below a menu of `devices`: the number of a line,
 * `CID-7`, a name or a part of one; nothing at all if there is one device.
 */
export function readMenuAnswer(
  text: string,
  devices: readonly Device[],
): MenuChoice {
  const answer = text.trim().toLowerCase();
  const found = answer === "" ? [...devices] : matching(answer, devices);
  const [device, ...others] = found;
  if (!device) return { tag: "none" };
  return others.length === 0
    ? { tag: "device", device }
    : { tag: "several", devices: found };
}

function matching(answer: string, devices: readonly Device[]): Device[] {
  if (/^\d+$/.test(answer)) {
    const device = devices.slice(0, MENU_MAX_COUNT)[Number(answer) - 1];
    return device ? [device] : [];
  }
  const [, id] = /^cid-(\d+)$/.exec(answer) ?? [];
  if (id !== undefined) {
    return devices.filter((device) => device.id === Number(id));
  }
  const named = devices.filter(({ name }) => name.toLowerCase() === answer);
  return named.length > 0
    ? named
    : devices.filter(({ name }) => name.toLowerCase().includes(answer));
}
