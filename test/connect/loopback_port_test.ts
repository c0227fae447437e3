import { expect, test } from "bun:test";
import { stableLoopbackPort } from "../../src/connect/loopback_port.ts";
import { DEVICE_ID_MAX } from "../../src/protocol/id.ts";

test("stableLoopbackPort() stays among the ports that nobody registers", () => {
  const ids = [1, 16_383, 16_384, 16_385, DEVICE_ID_MAX];
  expect(ids.map(stableLoopbackPort))
    .toEqual([49_153, 65_535, 49_152, 49_153, 65_535]);
});
