/** Asks as the product does, then lets another program have the terminal. */
import { Fault } from "../../src/protocol/fault.ts";
import { askTerminal, isTerminal } from "../../src/runtime/terminal.ts";

const stop = new AbortController();
process.once("SIGTERM", () => stop.abort(new Error("told to stop")));
try {
  const name = await askTerminal("Name: ", false, stop.signal);
  const password = await askTerminal("Password: ", true, stop.signal);
  const said = { isTerminal: isTerminal(), name, password };
  process.stdout.write(`${JSON.stringify(said)}\n`);
} catch (error) {
  const text = error instanceof Fault ? error.code : String(error);
  process.stdout.write(`failed: ${text}\n`);
}
const script = "stty -a | tr ';' '\\n' | grep -wo -- '-*echo' | head -n 1; " +
  'echo ready; read line; echo "read $line"';
const child = Bun.spawn(["sh", "-c", script], {
  stdio: ["inherit", "inherit", "inherit"],
});
await child.exited;
