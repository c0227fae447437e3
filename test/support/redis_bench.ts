import type { Fault } from "../../src/protocol/fault.ts";
import { RedisConnection } from "../../src/runtime/redis_connection.ts";
import { eventually } from "./eventually.ts";
import { rejection } from "./rejection.ts";

/** A connection that is kept up, and what its owner hears of it. */
export class RedisBench implements AsyncDisposable {
  readonly connection: RedisConnection;
  /** `connected`, or the message of what it was lost by. */
  readonly events: string[] = [];
  readonly heard: string[] = [];
  readonly #stop = new AbortController();
  readonly #running: Promise<unknown>;

  constructor(url: string, channel = "channel") {
    this.connection = new RedisConnection(url);
    const running = this.connection.run(channel, {
      connected: () => void this.events.push("connected"),
      lost: (fault: Fault) => void this.events.push(fault.message),
      heard: (text) => void this.heard.push(text),
    }, this.#stop.signal);
    this.#running = rejection(running);
  }

  /** Resolves once it has heard so much. */
  async until(count: number): Promise<void> {
    await eventually(`${count} events`, () => this.events.length >= count);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort();
    await this.#running;
  }
}
