import { openDeviceStore } from "../../src/runtime/sqlite_device_store.ts";

/**
 * Another process at the same store. `claim SUBJECT COUNT` claims the ids
 * 1 to COUNT and prints which were free; `release ID` prints true or false.
 */
const [dir = "", command, subject = "", count = "0"] = process.argv.slice(2);
using store = openDeviceStore(dir);
if (command === "release") {
  process.stdout.write(`${store.release(Number(subject))}\n`);
} else {
  process.stdout.write("ready\n");
  // Both begin when they are told, so that they meet.
  for await (const _chunk of Bun.stdin.stream()) break;
  const firsts: number[] = [];
  for (let deviceId = 1; deviceId <= Number(count); deviceId++) {
    const claim = { deviceId, name: `aula-${deviceId}`, subject, nowMs: 1 };
    if (store.claim(claim).tag === "first") firsts.push(deviceId);
  }
  process.stdout.write(`${JSON.stringify(firsts)}\n`);
}
