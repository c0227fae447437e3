import type { Fault } from "../protocol/fault.ts";
import type { Joined } from "../protocol/stream_message.ts";
import type { WindowBudget } from "../stream/window_budget.ts";
import type { ReopenPorts } from "./reopen.ts";
import type { LegPorts } from "./stream_leg.ts";
import type { ResumePorts } from "./way_back.ts";

export interface StreamPorts extends LegPorts {
  readonly budget: WindowBudget;
  /** Called once, when the gateway has joined the two ends. */
  readonly joined: (joined: Joined) => void;
  /** Undefined: a lost link is the end of the stream. */
  readonly resume?: ResumePorts | undefined;
  /** Undefined: a link that is lost before it is joined ends the stream. */
  readonly reopen?: ReopenPorts | undefined;
  /** Dials another link while one is doubted; else it waits for its death. */
  readonly isScouting?: boolean;
}

/** What went through a stream, in bytes. */
export interface StreamCounts {
  readonly sentBytes: number;
  readonly receivedBytes: number;
}

/** What a stream came to: with a fault if it was no clean end. */
export interface StreamResult extends StreamCounts {
  readonly fault: Fault | undefined;
}
