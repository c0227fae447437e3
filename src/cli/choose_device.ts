import {
  devicesOffering,
  MENU_MAX_COUNT,
  readMenuAnswer,
} from "../connect/device_menu.ts";
import { type Device, listDevices } from "../connect/devices.ts";
import { Fault } from "../protocol/fault.ts";
import { askTerminal, isTerminal } from "../runtime/terminal.ts";
import { asOperator } from "./operator.ts";
import type { Options } from "./options.ts";
import type { Output } from "./output.ts";
import { table } from "./table.ts";

/**
 * Lets the person at the terminal choose one of the devices that are online
 * and offer `service`.
 *
 * @throws {Fault} `usageInvalid` if nobody is there to choose, `deviceOffline`
 * if there is nothing to choose from.
 */
export async function chooseDevice(
  service: string,
  options: Options,
  output: Output,
): Promise<Device> {
  if (!isTerminal()) {
    throw new Fault(
      "usageInvalid",
      "Cannot tell which device is meant: no -a, and no terminal to ask at",
      { hint: "Give -a CID-7; --list shows which there are" },
    );
  }
  return await asOperator(options, output, async ({ ports, signal }) => {
    const all = devicesOffering(service, await listDevices(ports, signal));
    if (all.length === 0) {
      throw new Fault(
        "deviceOffline",
        `Cannot find a device that is online and offers ${service}`,
        { hint: "Run `migasfree-agent devices` to see which there are" },
      );
    }
    let devices: readonly Device[] = all;
    for (;;) {
      showMenu(devices, output);
      const answer = await askTerminal(questionFor(devices), false, signal);
      const choice = readMenuAnswer(answer, devices);
      if (choice.tag === "device") return choice.device;
      if (choice.tag === "none") output.say("There is no such device");
      devices = choice.tag === "several" ? choice.devices : all;
    }
  });
}

function questionFor(devices: readonly Device[]): string {
  return devices.length === 1
    ? "Enter takes it, Ctrl-C ends: "
    : "Number, CID-n or part of a name: ";
}

/** On stderr, line by line: names are plain text since they were parsed. */
function showMenu(devices: readonly Device[], output: Output): void {
  const rows = devices.slice(0, MENU_MAX_COUNT)
    .map(({ id, name, services }, index) => [
      String(index + 1).padStart(3),
      `CID-${id}`,
      name,
      services.join(" "),
    ]);
  for (const line of table(rows)) output.say(line);
  const moreCount = devices.length - rows.length;
  if (moreCount > 0) output.say(`    and ${moreCount} more`);
}
