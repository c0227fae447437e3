/**
 * Runs one program of the contract on this process's standard input and
 * output. Cue and report go over the channel from whoever started it; without
 * one, the events go to standard error.
 */
import { stdioSocket } from "../../src/runtime/stdio_socket.ts";
import {
  type ProgramName,
  PROGRAMS,
} from "../contract/byte_socket_programs.ts";

const cue = Promise.withResolvers<void>();
process.on("message", () => {
  cue.resolve();
  process.send?.("heard");
});
const name = process.argv[2] as ProgramName;
const report = await PROGRAMS[name](stdioSocket(), cue.promise);
if (process.send) {
  process.send({ report });
  process.disconnect?.();
} else {
  const ends = report.events.filter((event) => event !== "drain");
  process.stderr.write(`${ends.join(", ")}\n`);
}
