import type { Log } from "../base/log.ts";
import { Fault } from "../protocol/fault.ts";
import { createLineLog } from "../runtime/line_log.ts";
import type { Output } from "./output.ts";

/** Makes the log that a service writes to stderr. @throws {Fault} `usageInvalid` */
export function createLog(format: string, output: Output): Log {
  if (format !== "text" && format !== "json") {
    throw new Fault("usageInvalid", `There is no log format "${format}"`, {
      hint: "Give --log-format text, or json",
    });
  }
  return createLineLog({ format, write: output.say, wallNow: Date.now });
}
