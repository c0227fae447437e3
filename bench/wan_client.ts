/**
 * Downloads for a while, as a process, so that it can stand in a namespace:
 *
 *     wan_client.ts ADDRESS PORT WARM_MS MEASURE_MS
 *
 * Prints the bytes per second of MEASURE_MS that begin WARM_MS after the first
 * byte: a tunnel has to dial over the long line before it.
 */
import { connect } from "node:net";

const [host = "", port, warm, measure] = process.argv.slice(2);
const warmMs = Number(warm);
const measureMs = Number(measure);
const socket = connect({ host, port: Number(port), noDelay: true });
let startMs = NaN;
let bytes = 0;
socket.on("error", (error) => {
  process.stderr.write(`${error.message}\n`);
  process.exit(1);
});
socket.on("close", () => process.exit(1));
socket.once("data", () => {
  startMs = performance.now();
  setTimeout(report, warmMs + measureMs);
});
socket.on("data", (chunk: Buffer) => {
  if (performance.now() - startMs > warmMs) bytes += chunk.length;
});
socket.write(`D ${Number.MAX_SAFE_INTEGER}\n`);

function report(): void {
  process.stdout.write(`steady ${bytes / measureMs * 1_000}\n`);
  process.exit(0);
}
