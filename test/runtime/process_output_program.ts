/** Copies standard input to both outputs as `exec` does; told by tests. */
import { ProcessOutput } from "../../src/runtime/process_output.ts";

const output = new ProcessOutput();
const failed = Promise.withResolvers<void>();
let drained = Promise.withResolvers<void>();
output.handle({
  drain: () => drained.resolve(),
  failed: (fault) => {
    failed.resolve();
    process.stderr.write(`${fault.code}: ${fault.message}\n`);
  },
});

let waitCount = 0;
let isOver = false;
void failed.promise.then(() => isOver = true);
for await (const chunk of Bun.stdin.stream()) {
  if (isOver) break;
  drained = Promise.withResolvers<void>();
  if (output.write("stdout", chunk)) continue;
  waitCount++;
  await Promise.race([drained.promise, failed.promise]);
}
await output.flushed();
if (isOver) process.exit(1);
output.write("stderr", new TextEncoder().encode(waitCount > 0 ? "waited" : ""));
await output.flushed();
process.exit(0);
