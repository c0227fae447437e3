import type { Link, LinkEnd, LinkHandlers } from "../../src/transport/link.ts";
import { eventually } from "../support/eventually.ts";

/** Hears all that a link says, in the order that it says it. */
export class LinkEar implements LinkHandlers {
  readonly messages: (string | Uint8Array)[] = [];
  receivedBytes = 0;
  drainCount = 0;
  aliveCount = 0;
  readonly ends: LinkEnd[] = [];

  constructor(link?: Link) {
    link?.handle(this);
  }

  message(message: string | Uint8Array): void {
    if (this.ends.length > 0) throw new Error("A message came after the end");
    this.messages.push(message);
    this.receivedBytes += message.length;
  }

  drain(): void {
    this.drainCount++;
  }

  alive(): void {
    this.aliveCount++;
  }

  closed(end: LinkEnd): void {
    this.ends.push(end);
  }

  async heard(count: number): Promise<void> {
    await eventually(
      `${count} messages, there are ${this.messages.length}`,
      () => this.messages.length >= count,
    );
  }

  /** Resolves when the link has ended, and nothing more came after that. */
  async ended(): Promise<LinkEnd> {
    await eventually("the end of a link", () => this.ends.length > 0);
    for (let turn = 0; turn < 20; turn++) {
      await new Promise((resolve) => setImmediate(resolve));
    }
    const [end, ...more] = this.ends;
    if (!end || more.length > 0) throw new Error("A link ended twice");
    return end;
  }
}

/** Returns what was heard as values that a test can compare. */
export function plainMessages(
  messages: readonly (string | Uint8Array)[],
): (string | number[])[] {
  return messages.map((message) =>
    typeof message === "string" ? message : [...message]
  );
}
