import type { Log, LogFields } from "../base/log.ts";
import { Fault } from "../protocol/fault.ts";
// Interim: replaced by the real one.
export function createLineLog(o: { format: "text" | "json"; write: (line: string) => void; wallNow: () => number }): Log {
  const line = (level: string, event: string, fields: LogFields, error?: unknown) => {
    const f = error === undefined ? {} : { code: Fault.from(error).code, message: Fault.from(error).message, cause: String((Fault.from(error).cause as Error)?.stack ?? "") };
    o.write(`${new Date(o.wallNow()).toISOString()} ${level} ${event} ` + Object.entries({ ...fields, ...f }).map(([k, v]) => `${k}=${/[\s"=]/.test(String(v)) ? JSON.stringify(v) : v}`).join(" "));
  };
  return { info: (e, f) => line("info", e, f), warn: (e, f, x) => line("warn", e, f, x), error: (e, f, x) => line("error", e, f, x) };
}
