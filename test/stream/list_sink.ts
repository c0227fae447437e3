import type { Fault } from "../../src/protocol/fault.ts";
import type { EndMessage } from "../../src/protocol/stream_message.ts";
import { StreamEnd, type StreamSink } from "../../src/stream/stream_end.ts";
import { WindowBudget } from "../../src/stream/window_budget.ts";

/** Takes down, in order, what a stream end makes happen. */
export class ListSink implements StreamSink {
  calls: string[] = [];
  /** What the local program answers to a chunk. */
  takes = true;

  sendBytes(chunk: Uint8Array): void {
    this.calls.push(`send ${chunk.byteLength}`);
  }

  sendMessage(message: EndMessage): void {
    this.calls.push(textOf(message));
  }

  deliver(chunk: Uint8Array): boolean {
    this.calls.push(`deliver ${chunk.byteLength}`);
    return this.takes;
  }

  endLocal(): void {
    this.calls.push("endLocal");
  }

  pauseLocal(): void {
    this.calls.push("pauseLocal");
  }

  resumeLocal(): void {
    this.calls.push("resumeLocal");
  }

  finished(fault: Fault | undefined): void {
    this.calls.push(`finished ${fault?.code ?? "cleanly"}`);
  }

  /** Returns the calls since the last look. */
  news(): string[] {
    return this.calls.splice(0);
  }
}

function textOf(message: EndMessage): string {
  switch (message.type) {
    case "ack":
      return `ack ${message.offset} + ${message.window_bytes}` +
        (message.complete ? ", complete" : "");
    case "end":
      return `end ${message.offset}`;
    case "reset":
      return `reset ${message.code}: ${message.message}`;
    default:
      return message satisfies never;
  }
}

/** A stream end with a sink that is read by the test. */
export function listedEnd(
  budget: WindowBudget = new WindowBudget(0),
): { readonly end: StreamEnd; readonly sink: ListSink } {
  const sink = new ListSink();
  return { end: new StreamEnd(sink, budget), sink };
}

export const KIB = 1024;

export function bytes(size: number): Uint8Array {
  return new Uint8Array(size);
}

export function ack(offset: number, windowBytes = 256 * KIB): EndMessage {
  return { type: "ack", offset, window_bytes: windowBytes };
}
