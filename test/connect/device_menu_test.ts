import { expect, test } from "bun:test";
import {
  devicesOffering,
  MENU_MAX_COUNT,
  readMenuAnswer,
} from "../../src/connect/device_menu.ts";
import type { Device } from "../../src/connect/devices.ts";

function device(id: number, more: Partial<Device> = {}): Device {
  return { id, name: `aula-${id}`, services: ["ssh"], online: true, ...more };
}

const THREE = [device(7), device(12), device(112)];

test("devicesOffering() leaves out who is away, or does not offer it", () => {
  const all = [
    device(1),
    device(2, { online: false }),
    device(3, { services: ["vnc"], exec: false }),
    device(4, { services: [], exec: true }),
  ];
  const idsOf = (service: string) =>
    devicesOffering(service, all).map(({ id }) => id);
  expect([idsOf("ssh"), idsOf("vnc"), idsOf("rdp"), idsOf("exec")]).toEqual([
    [1],
    [3],
    [],
    // An older agent says nothing of commands, and takes them.
    [1, 4],
  ]);
});

test("item 55: readMenuAnswer() takes a line's number, an id or a name", () => {
  const answers = ["1", " 3 ", "cid-12", "AULA-7", "aula-112", "112"];
  const found = answers.map((answer) => {
    const choice = readMenuAnswer(answer, THREE);
    return choice.tag === "device" ? choice.device.id : choice.tag;
  });
  // The last one is a number, and there is no such line.
  expect(found).toEqual([7, 112, 12, 7, 112, "none"]);
});

test("readMenuAnswer() narrows by a part of the name", () => {
  expect(readMenuAnswer("12", [...THREE, ...THREE])).toEqual({ tag: "none" });
  expect(readMenuAnswer("a-1", THREE)).toEqual({
    tag: "several",
    devices: THREE.slice(1),
  });
  expect(readMenuAnswer("zoo", THREE)).toEqual({ tag: "none" });
});

test("item 55: readMenuAnswer() takes Enter where there is one device, and only there", () => {
  expect(readMenuAnswer("", [device(9)])).toEqual({
    tag: "device",
    device: device(9),
  });
  expect(readMenuAnswer("", THREE)).toEqual({ tag: "several", devices: THREE });
  expect(readMenuAnswer("", [])).toEqual({ tag: "none" });
});

test("readMenuAnswer() believes no number of a line that is not shown", () => {
  const many = Array.from({ length: 500 }, (_none, id) => device(id + 1));
  for (const answer of ["0", String(MENU_MAX_COUNT + 1), "99999999999999"]) {
    expect(readMenuAnswer(answer, many)).toEqual({ tag: "none" });
  }
});
