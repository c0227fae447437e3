import { watchHost } from "../../src/runtime/hosted_manager.ts";

// Started by hosted_manager_test.ts: ends when its input does.
process.on("SIGUSR1", () => process.stdout.write("still watching\n"));
process.stdout.write("watching\n");
const hour = setTimeout(() => undefined, 3_600_000);
watchHost(() => {
  clearTimeout(hour);
  process.stdout.write("ended\n");
});
