import { expect, test } from "bun:test";
import { type V1Carrier, V1Tunnel } from "../../src/transport/v1_tunnel.ts";
import { ManualClock } from "../support/manual_clock.ts";

/** A link that has room for as many chunks as a test says. */
class Carrier implements V1Carrier {
  readonly clock = new ManualClock();
  readonly lingers = false;
  hasRoom = true;

  sendData(): boolean {
    return this.hasRoom;
  }

  sendClose(): void {}
  taken(): void {}
  forget(): void {}
}

test("V1Tunnel tells whoever waits to go on, also if there was room for more meanwhile", () => {
  const carrier = new Carrier();
  const tunnel = new V1Tunnel("t", carrier);
  let drainCount = 0;
  tunnel.handle({
    data: () => undefined,
    end: () => undefined,
    drain: () => drainCount++,
    closed: () => undefined,
  });
  const chunk = new Uint8Array(8);
  carrier.hasRoom = false;
  expect(tunnel.write(chunk)).toBeFalse();
  carrier.hasRoom = true;
  // It had said false: nobody may count this as taken before the drain.
  expect(tunnel.write(chunk)).toBeFalse();
  tunnel.drained();
  expect([drainCount, tunnel.write(chunk)]).toEqual([1, true]);
  tunnel.drained();
  expect(drainCount).toBe(1);
});
