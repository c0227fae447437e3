/**
 * Downloads for a while, as a process, so that it can stand in a namespace:
 *
 *     wan_client.ts ADDRESS PORT WARM_MS MEASURE_MS
 *
 * Prints the bytes per second that came after the first WARM_MS.
 */
import { connect } from "node:net";

const [host = "", port, warm, measure] = process.argv.slice(2);
const warmMs = Number(warm);
const measureMs = Number(measure);
const socket = connect({ host, port: Number(port), noDelay: true });
const startMs = performance.now();
let bytes = 0;
socket.on("error", (error) => {
  process.stderr.write(`${error.message}\n`);
  process.exit(1);
});
socket.on("close", () => process.exit(1));
socket.on("data", (chunk: Buffer) => {
  if (performance.now() - startMs > warmMs) bytes += chunk.length;
});
socket.write(`D ${Number.MAX_SAFE_INTEGER}\n`);
setTimeout(() => {
  process.stdout.write(`steady ${bytes / measureMs * 1_000}\n`);
  process.exit(0);
}, warmMs + measureMs);
